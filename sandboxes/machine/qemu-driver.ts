import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { type ErrorCode, LabError, toLabError } from "../errors.ts";
import type { SandboxReport } from "../progress.ts";
import { LABELS } from "../sandbox.ts";
import type { Machine, MachineCapability, MachineDriver, MachineSpec } from "./machine.ts";
import {
  machineAlias,
  machineContainer,
  machineVolume,
  PATHS,
  qemuUser,
  setupContainer,
  TEMPLATE,
} from "./names.ts";
import { containerLimits, QemuMachine, type QemuMachineDeps } from "./qemu-machine.ts";
import { Supervisor, supervisorCommand } from "./supervisor.ts";

/** Label of the machine's container: what can never change, for a server that has forgotten. */
const birthLabel = "footbridge.machine";
const birth = z.object({
  accelerator: z.enum(["kvm", "tcg"]),
  uuid: z.string(),
  hardware: z.object({ cpus: z.number(), memoryMib: z.number(), dataDiskGib: z.number() }),
});

/** A guest's shutdown takes 5 to 20 s under emulation; systemd gives Docker itself 90 s to stop. */
const SHUTDOWN_MS = 60_000;

export interface QemuDriverDeps {
  engine: Engine;
  /** OpenSSH private key of this installation; its public half is every spec's `authorizedKey`. */
  privateKey: string;
  /** Told why a VM has to be booted although it was to be a copy of a template. */
  onSpoiltTemplate?(error: LabError, sandboxId: string): void;
}

/** What would go wrong without a template as well. */
const NOT_THE_TEMPLATES: ReadonlySet<ErrorCode> = new Set([
  "aborted",
  "conflict",
  "disk_full",
  "docker_unavailable",
]);

/** Runs VMs with QEMU in unprivileged containers. */
export class QemuDriver implements MachineDriver {
  readonly capabilities: ReadonlySet<MachineCapability> = new Set(["resize", "console", "fork"]);
  readonly #deps: QemuDriverDeps;
  readonly #machines = new Set<QemuMachine>();

  constructor(deps: QemuDriverDeps) {
    this.#deps = deps;
  }

  async create(spec: MachineSpec, report: SandboxReport, signal: AbortSignal): Promise<Machine> {
    if (!spec.template) return await this.#create(spec, report, signal);
    try {
      // That a step failed is no news where the next try makes it good.
      return await this.#create(spec, (event) => event.state === "failed" || report(event), signal);
    } catch (error) {
      const { code, message, hint } = toLabError(error);
      if (signal.aborted || NOT_THE_TEMPLATES.has(code)) throw error;
      const why = `the VM boots, since it could not be a copy: ${message}`;
      this.#deps.onSpoiltTemplate?.(
        new LabError(code, why, { cause: error, ...(hint ? { hint } : {}) }),
        spec.sandboxId,
      );
      const { template: _, ...booted } = spec;
      return await this.#create(booted, report, signal);
    }
  }

  async #create(spec: MachineSpec, report: SandboxReport, signal: AbortSignal): Promise<Machine> {
    const { engine, privateKey } = this.#deps;
    const { sandboxId, image, accelerator, hardware } = spec;
    const born = { accelerator, hardware, uuid: randomUUID() };
    const role = spec.template === undefined ? undefined : "copy";
    const copyOf = spec.template === undefined ? {} : { [LABELS.template]: spec.template };
    if (await engine.inspectContainer(machineContainer(sandboxId)))
      throw new LabError("conflict", `machine \`${sandboxId}\` exists already`);
    // Docker would make an empty volume in the place of a lost one.
    if (spec.template && !(await engine.inspectContainer(spec.template)))
      throw new LabError("not_found", `the template \`${spec.template}\` is gone`, {
        hint: "it is made anew when the lab server starts",
      });
    const machine = this.#keep({
      ...{ engine, privateKey, sandboxId, image, accelerator, labels: spec.labels },
      memory: { uuid: born.uuid, hardware },
    });
    try {
      const make = async () => {
        await engine.runContainer({
          name: machineContainer(sandboxId),
          image,
          entrypoint: await supervisorCommand(),
          labels: { ...spec.labels, [LABELS.part]: "machine", [birthLabel]: JSON.stringify(born), ...copyOf },
          network: { name: spec.network, aliases: [machineAlias] },
          hostname: machineAlias,
          user: qemuUser,
          capabilities: [],
          sysctls: {
            "net.ipv4.ip_forward": "1",
            "net.ipv4.ip_unprivileged_port_start": "0",
            "net.ipv6.conf.all.disable_ipv6": "1",
          },
          limits: containerLimits(accelerator, hardware),
          stopGraceMs: SHUTDOWN_MS,
          volumes: [{ name: machineVolume(sandboxId), path: PATHS.kept }],
          ...(spec.template ? { sharedVolumes: [{ name: spec.template, path: TEMPLATE.kept }] } : {}),
        });
        await machine.prepare(spec.authorizedKey, role);
      };
      await machine.start(report, signal, { make, ...(role ? { role } : {}) });
      return machine;
    } catch (error) {
      // What went wrong first is what the caller needs to hear.
      await engine.removeContainer(setupContainer(sandboxId)).catch(() => {});
      await machine.destroy().catch(() => {});
      throw error;
    }
  }

  async adopt(sandboxId: string): Promise<Machine | undefined> {
    const { engine, privateKey } = this.#deps;
    const name = machineContainer(sandboxId);
    const container = await engine.inspectContainer(name);
    const label = container?.labels[birthLabel];
    if (!container || label === undefined) return undefined;
    const born = birth.parse(JSON.parse(label));
    const remembered = container.running
      ? (await new Supervisor({ engine, container: name }).status()).remembered
      : undefined;
    const { [birthLabel]: _birth, [LABELS.part]: _part, ...labels } = container.labels;
    return this.#keep({
      ...{ engine, privateKey, sandboxId, labels, image: container.image, accelerator: born.accelerator },
      memory: remembered ?? { uuid: born.uuid, hardware: born.hardware },
    });
  }

  /** Lets go of every machine; they go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) machine.release();
    this.#machines.clear();
  }

  #keep(deps: QemuMachineDeps): QemuMachine {
    const machine = new QemuMachine({ ...deps, onDestroyed: (gone) => this.#machines.delete(gone) });
    this.#machines.add(machine);
    return machine;
  }
}
