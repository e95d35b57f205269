import { lazy, Suspense, useState } from "react";
import type { AttemptView, TerminalRole } from "../../server/protocol/views.ts";
import { Notice } from "../controls/notice.tsx";
import { useMessages } from "../messages/use-messages.ts";
import type { TerminalHandle } from "../terminal/terminal.tsx";
import { isRoleReady, whyNoVm } from "./sandbox-state.ts";

/** xterm.js is most of the page's weight; pages without terminals do without. */
const LazyTerminal = lazy(async () => {
  const { TerminalView } = await import("./terminal-view.tsx");
  return { default: TerminalView };
});

export interface TerminalPaneProps {
  attempt: AttemptView;
  role: TerminalRole;
  /** Name of the shell; `1` is the first of its role. */
  name: string;
  isReadOnly: boolean;
  onHandle(handle: TerminalHandle | null): void;
}

/** A terminal, or why there is none yet. Render it under a key of the sandbox: a new one has new shells. */
export function TerminalPane(props: TerminalPaneProps) {
  const { messages } = useMessages();
  const isReady = isRoleReady(props.attempt, props.role);
  // Once open it stays, come what may to the VM: its text is still there to read.
  const [wasReady, setWasReady] = useState(isReady);
  if (isReady && !wasReady) setWasReady(true);
  if (!wasReady) return <Waiting attempt={props.attempt} role={props.role} />;
  return (
    <Suspense fallback={<p className="terminal-wait muted">{messages.loading}</p>}>
      <LazyTerminal {...props} />
    </Suspense>
  );
}

function Waiting({ attempt, role }: { attempt: AttemptView; role: TerminalRole }) {
  const { messages } = useMessages();
  const { machine, cluster } = attempt.sandbox ?? {};
  const whyNot = whyNoVm(attempt);
  if (role !== "cluster" && !machine && !whyNot)
    return (
      <div className="terminal-wait">
        <Notice tone="idle" icon="square-off" title={messages.terminal.noMachine} />
      </div>
    );
  const isVmOff = role === "vm" && whyNot === "off";
  const isUp = { vm: machine?.power === "on", cluster: cluster?.phase === "ready", console: false }[role];
  const labStart = isUp && (role === "vm" ? machine : cluster)?.labStart;
  if (role !== "console" && labStart === "failed")
    return (
      <div className="terminal-wait">
        <Notice tone="bad" title={messages.terminal.notPrepared[role]} />
      </div>
    );
  const { preparing, waitVm, waitVmStarting, waitCluster, waitConsole } = messages.terminal;
  const words: Record<TerminalRole, string> = {
    vm: labStart ? preparing.vm : isVmOff ? waitVm : waitVmStarting,
    cluster: labStart ? preparing.cluster : waitCluster,
    console: waitConsole,
  };
  return (
    <div className="terminal-wait">
      <Notice tone={isVmOff ? "idle" : "busy"} icon={isVmOff ? "power" : "clock"} title={words[role]}>
        {isVmOff ? <p>{messages.terminal.powerOnHint}</p> : null}
      </Notice>
    </div>
  );
}
