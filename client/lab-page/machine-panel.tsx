import type { SandboxAction, SandboxView } from "../../server/protocol/views.ts";
import { useConfirm } from "../controls/confirm.tsx";
import { Icon, type IconName } from "../controls/icon.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";
import type { AttemptActions, PowerAction } from "./attempt-actions.ts";
import { HardwareForm } from "./hardware-form.tsx";
import { machineTone } from "./sandbox-state.ts";
import { TroubleText } from "./trouble-text.tsx";

type Machine = NonNullable<SandboxView["machine"]>;

const icons: Record<PowerAction, IconName> = { on: "power", off: "square-off", plug: "plug", reset: "reset" };
const isOffered: Record<PowerAction, (power: Machine["power"]) => boolean> = {
  on: (power) => power === "off" || power === "broken",
  off: (power) => power === "on",
  plug: (power) => power !== "off",
  reset: (power) => power === "on" || power === "starting",
};

/** The VM as its owner sees it on any hypervisor: state, power, hardware. */
export function MachinePanel({
  machine,
  underWay,
  actions,
  isReadOnly,
}: {
  machine: Machine | undefined;
  /** What is being done to the sandbox, whoever asked for it. */
  underWay: SandboxAction | undefined;
  actions: AttemptActions;
  isReadOnly: boolean;
}) {
  const { messages, format } = useMessages();
  if (!machine) return <p className="muted">{messages.machine.none}</p>;
  return (
    <div className="machine-panel">
      <section className="machine-state" aria-label={messages.machine.state}>
        <dl className="facts">
          <dt>{messages.machine.state}</dt>
          <dd>
            <Status tone={machineTone[machine.power]}>{messages.machine.power[machine.power]}</Status>
          </dd>
          <dt>{messages.machine.accelerator}</dt>
          <dd>{messages.machine.accelerators[machine.accelerator]}</dd>
          <dt>{messages.machine.cpus}</dt>
          <dd className="numeric">{machine.hardware.cpus}</dd>
          <dt>{messages.machine.memory}</dt>
          <dd className="numeric">{format.mib(machine.hardware.memoryMib)}</dd>
          <dt>{messages.machine.disk}</dt>
          <dd className="numeric">{format.gib(machine.hardware.dataDiskGib)}</dd>
        </dl>
        {machine.pendingHardware ? (
          <Notice tone="warn" icon="clock" title={messages.machine.pending}>
            <p className="numeric">
              {[
                messages.machine.cpuCount(machine.pendingHardware.cpus),
                format.mib(machine.pendingHardware.memoryMib),
                format.gib(machine.pendingHardware.dataDiskGib),
              ].join(" · ")}
            </p>
          </Notice>
        ) : null}
        {machine.trouble ? (
          <Notice tone="bad" title={messages.machine.power.broken}>
            <TroubleText trouble={machine.trouble} />
          </Notice>
        ) : null}
      </section>
      {isReadOnly ? null : (
        <>
          <PowerControls power={machine.power} underWay={underWay} actions={actions} />
          {/* A change made elsewhere brings a new form, not one that fights it. */}
          <HardwareForm key={JSON.stringify(machine)} machine={machine} action={actions.hardware} />
        </>
      )}
    </div>
  );
}

interface PowerControlsProps {
  power: Machine["power"];
  underWay: SandboxAction | undefined;
  actions: AttemptActions;
}

function PowerControls({ power, underWay, actions }: PowerControlsProps) {
  const { messages } = useMessages();
  const confirm = useConfirm();
  const running = actions.plug.isPending ? "plug" : (actions.power.running?.[0] ?? underWay);
  // As on any hypervisor it need not wait for a guest that shuts down or boots.
  const isOvertaken = (name: PowerAction) => name === "plug" && running !== "plug" && running !== "repair";

  const error = actions.plug.error ?? actions.power.error;

  async function press(name: PowerAction) {
    if (name !== "on") {
      const words = messages.machine.confirm[name];
      const isSure = await confirm({
        ...words,
        action: messages.machine.actions[name],
        isDangerous: name !== "off",
      });
      if (!isSure) return;
    }
    if (name === "plug") actions.plug.run();
    else actions.power.run(name);
  }

  return (
    <section className="machine-power" aria-labelledby="power-heading">
      <h3 id="power-heading">{messages.machine.controls}</h3>
      <div className="power-buttons">
        {(["on", "off", "reset", "plug"] as const).map((name) => (
          <button
            key={name}
            type="button"
            className={name === "plug" || name === "reset" ? "button risky" : "button"}
            disabled={!isOffered[name](power) || (running !== undefined && !isOvertaken(name))}
            onClick={() => void press(name)}
          >
            <Icon name={icons[name]} />
            {running === name ? messages.machine.busy[name] : messages.machine.actions[name]}
          </button>
        ))}
      </div>
      {error ? <FailureNotice error={error} /> : null}
    </section>
  );
}
