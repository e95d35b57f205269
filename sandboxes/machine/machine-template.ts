import { createHash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "../engine/engine.ts";
import { LabError, toLabError } from "../errors.ts";
import { type Report, type SandboxStep, step } from "../progress.ts";
import { LABELS } from "../sandbox.ts";
import type { MachineSpec } from "./machine.ts";
import { machineContainer, machineVolume, PATHS, qemuUser } from "./names.ts";
import { qemuArguments } from "./qemu-arguments.ts";
import { QemuMachine } from "./qemu-machine.ts";
import { saveState } from "./saved-state.ts";
import { Supervisor, supervisorCommand } from "./supervisor.ts";

export type TemplateSpec = Pick<MachineSpec, "image" | "accelerator" | "hardware" | "authorizedKey"> & {
  /** Docker labels of this installation; that of a sandbox is not among them. */
  labels: Record<string, string>;
};

export interface TemplateDeps {
  engine: Engine;
  /** OpenSSH private key that goes with the spec's `authorizedKey`. */
  privateKey: string;
}

/** What the making of a template tells: its own step, and those of the boot within. */
export type TemplateReport = Report<SandboxStep | "prepare VM template">;

/** Changed when templates are made in another way, so that all are made anew. */
const GENERATION = 1;
const PART = "template";
/** The boot's last jobs, under emulation. */
const SETTLE_MS = 300_000;
const SAVE_MS = 120_000;
/** Our own login has to be over in the guest, and nobody can log in to see whether it is. */
const QUIET_MS = 3_000;

/**
 * Makes a VM that has booted, is stopped and saved, so that others start as copies of it; or finds it made. It is the
 * container that made it: it owns the volume, and has no memory limit, since the pages its copies map count as its own.
 * One that was not finished is made anew.
 * @returns `volume` is for `MachineSpec.template`
 * @throws LabError `machine_failed`, `timed_out`, `aborted`, `disk_full`
 */
export async function ensureTemplate(
  deps: TemplateDeps,
  spec: TemplateSpec,
  report: TemplateReport,
  signal: AbortSignal,
): Promise<{ id: string; volume: string }> {
  const { engine } = deps;
  const id = `template-${templateKey(spec, await hostOf(engine, spec))}`;
  const name = machineContainer(id);
  await step(report, "prepare VM template", async () => {
    if (await isFinished(engine, name)) return;
    await engine.removeContainer(name);
    await make(deps, spec, id, report, signal).catch(async (error: unknown) => {
      await engine.removeContainer(name).catch(() => {});
      throw error;
    });
  });
  // Into the page cache, on the account of a container that has no limit.
  const { exitCode, stderr } = await engine.exec(name, ["sh", "-c", `cat ${PATHS.memory} >/dev/null`], {
    timeoutMs: SAVE_MS,
    signal,
  });
  if (exitCode !== 0)
    throw new LabError("machine_failed", `the template's memory can't be read: ${stderr.trim()}`, {
      hint: `remove the container \`${name}\` with its volume, and start again`,
    });
  return { id, volume: machineVolume(id) };
}

/** Removes this installation's templates but the one in container `keep`; those that copies still use stay. */
export async function removeTemplates(engine: Engine, installation: string, keep?: string): Promise<void> {
  const found = await engine.listContainers({ [LABELS.installation]: installation, [LABELS.part]: PART });
  for (const { name } of found) {
    if (name === keep) continue;
    // Its volume is named like the container.
    const copies = await engine.listContainers({ [LABELS.template]: name });
    if (copies.length === 0) await engine.removeContainer(name);
  }
}

/** Everything that a copy has to have in common with its template. */
function templateKey({ image, accelerator, hardware, authorizedKey }: TemplateSpec, host: string): string {
  const argv = qemuArguments({ accelerator, hardware, uuid: "", role: "template" });
  const inputs = [GENERATION, image, argv, hardware, authorizedKey.trim(), host];
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 12);
}

/**
 * Under KVM the guest sees the host's own processor, which another kernel, firmware or host may change: such a template
 * is good until the Docker host boots again. An emulated processor is the same everywhere.
 */
async function hostOf(engine: Engine, { image, accelerator, labels }: TemplateSpec): Promise<string> {
  if (accelerator === "tcg") return "any";
  const name = `fb-template-host-${randomUUID().slice(0, 8)}`;
  try {
    await engine.runContainer({
      ...{ name, image, labels: { ...labels, [LABELS.part]: "setup" }, capabilities: [] },
      ...{ entrypoint: ["sleep", "60"], network: { name: "none" }, limits: { memoryMib: 128, pids: 16 } },
    });
    return (await engine.exec(name, ["cat", "/proc/sys/kernel/random/boot_id"], { timeoutMs: 20_000 }))
      .stdout;
  } finally {
    await engine.removeContainer(name);
  }
}

/** One whose container does not start or makes no sense is none; copies may live of one that is only slow to answer. */
async function isFinished(engine: Engine, name: string): Promise<boolean> {
  const container = await engine.inspectContainer(name);
  if (!container) return false;
  try {
    if (!container.running) await engine.startContainer(name);
    return (await new Supervisor({ engine, container: name }).status()).remembered?.isSaved === true;
  } catch (error) {
    if (["docker_unavailable", "timed_out"].includes(toLabError(error).code)) throw error;
    return false;
  }
}

async function make(
  deps: TemplateDeps,
  spec: TemplateSpec,
  id: string,
  report: TemplateReport,
  signal: AbortSignal,
): Promise<void> {
  const { engine, privateKey } = deps;
  const { image, accelerator, hardware, labels } = spec;
  const container = machineContainer(id);
  const memory = { uuid: randomUUID(), hardware };
  const machine = new QemuMachine({ engine, privateKey, sandboxId: id, image, accelerator, labels, memory });
  const supervisor = new Supervisor({ engine, container });
  try {
    await machine.start(report, signal, {
      role: "template",
      make: async () => {
        await engine.runContainer({
          name: container,
          image,
          entrypoint: await supervisorCommand(),
          labels: { ...labels, [LABELS.part]: PART },
          network: { name: "none" },
          user: qemuUser,
          capabilities: [],
          limits: { cpus: hardware.cpus, pids: 1024 },
          volumes: [{ name: machineVolume(id), path: PATHS.kept }],
        });
        await machine.prepare(spec.authorizedKey);
      },
    });
    await settle(machine, signal);
  } finally {
    machine.release();
  }
  await delay(QUIET_MS, undefined, { signal });
  await saveState({ engine, container }, signal);
  await supervisor.kill();
  if (!(await supervisor.awaitOff(20_000)))
    throw new LabError("machine_failed", "the template's QEMU does not end", {
      hint: "is the host's disk stuck? see its kernel log",
    });
  // What it was remembered by says that it is whole: everything else is on the disk before.
  await engine.exec(container, ["sync", "-f", PATHS.memory], { timeoutMs: SAVE_MS, signal });
  await supervisor.remember({ ...memory, isSaved: true });
}

/** Waits for the end of the boot, and has in memory what the first minutes in a copy need. */
async function settle(machine: QemuMachine, signal: AbortSignal): Promise<void> {
  const asRoot = { timeoutMs: SETTLE_MS, signal, user: "root" };
  const deadline = performance.now() + SETTLE_MS;
  // Not with `--wait`, which was seen to wait on for minutes where it began early in a boot.
  while (performance.now() < deadline) {
    const { stdout } = await machine.place.exec(["systemctl", "is-system-running"], asRoot);
    if (/^(running|degraded)/.test(stdout)) break;
    await delay(500, undefined, { signal });
  }
  const warm = "su -l admin -c 'python3 -c \"\"; sudo -n true'; sync";
  await machine.place.exec(["sh", "-c", warm], asRoot);
}
