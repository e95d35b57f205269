import type { Duplex } from "node:stream";
import { Changes } from "../changes.ts";
import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { type SandboxReport, step } from "../progress.ts";
import { unlessAborted } from "../waiting.ts";
import { becomeOneself } from "./become-oneself.ts";
import { BootWatch } from "./boot-watch.ts";
import { openConsole } from "./console.ts";
import { plugIn } from "./devices.ts";
import type { Accelerator, Hardware, Machine, MachineInspection } from "./machine.ts";
import { checkResize, neverFinished, startOver, stateOf } from "./machine-state.ts";
import { GUEST, guestAddress, machineContainer, PATHS, TEMPLATE } from "./names.ts";
import { pressPowerButton } from "./power-button.ts";
import { overheadMib, type QemuSettings, qemuArguments } from "./qemu-arguments.ts";
import { qmp } from "./qmp.ts";
import { loadState } from "./saved-state.ts";
import { SshConnection } from "./ssh-connection.ts";
import { SshPlace } from "./ssh-place.ts";
import { type MachineMemory, Supervisor } from "./supervisor.ts";

const consoleReplayBytes = 1024 * 1024;
const diskTimeoutMs = 60_000;
const offTimeoutMs = 20_000;
export interface QemuMachineDeps {
  engine: Engine;
  sandboxId: string;
  image: string;
  accelerator: Accelerator;
  /** What was last known to be remembered; the machine's own volume is the truth. */
  memory: MachineMemory;
  labels: Record<string, string>;
  /** OpenSSH private key of this installation. */
  privateKey: string;
  onDestroyed?(machine: QemuMachine): void;
}

/** What belongs to the first start alone; ever after the VM boots from its disks. */
export interface FirstStart {
  /** Makes the container, as a part of the step `start VM`. */
  make?: () => Promise<void>;
  /** As in `QemuSettings`. */
  role?: QemuSettings["role"];
}

/** One VM: QEMU under a supervisor in a container, reached over SSH through the engine. */
export class QemuMachine implements Machine {
  readonly sandboxId: string;
  readonly place: SshPlace;
  readonly #deps: QemuMachineDeps;
  readonly #container: string;
  readonly #supervisor: Supervisor;
  readonly #ssh: Record<"root" | "admin", SshConnection>;
  #memory: MachineMemory;
  readonly #boot: BootWatch;
  readonly #changes = new Changes();
  readonly #end = new AbortController();
  #isFollowed = false;
  #isTemplate = false;

  constructor(deps: QemuMachineDeps) {
    this.#deps = deps;
    this.sandboxId = deps.sandboxId;
    this.#container = machineContainer(deps.sandboxId);
    this.#supervisor = new Supervisor({ engine: deps.engine, container: this.#container });
    this.#memory = deps.memory;
    // A guest that is off would leave the question without an answer. Without `nodelay` a key waits for the guest's
    // acknowledgement of the one before, up to 40 ms.
    const connect = `exec socat - TCP:${guestAddress}:22,connect-timeout=10,nodelay`;
    const argv = [
      "sh",
      "-c",
      `pgrep -f ^qemu-system >/dev/null || { echo it is off >&2; exit 1; }; ${connect}`,
    ];
    const dial = () => deps.engine.stream(this.#container, argv, { title: "the way to its SSH server" });
    const connection = (username: "root" | "admin") =>
      new SshConnection({ dial, username, privateKey: deps.privateKey });
    this.#ssh = { root: connection("root"), admin: connection("admin") };
    this.place = new SshPlace(this.#ssh);
    const { place } = this;
    this.#boot = new BootWatch({
      ...deps,
      ...{ container: this.#container, supervisor: this.#supervisor, place },
      reset: async () => void (await qmp({ ...deps, container: this.#container }, "system_reset")),
      powerOn: () => this.#supervisor.powerOn(this.#arguments(this.#isTemplate ? "template" : undefined)),
    });
  }

  async inspect(): Promise<MachineInspection> {
    const container = await this.#deps.engine.inspectContainer(this.#container);
    if (container?.running) void this.#follow();
    const status = container?.running ? await this.#supervisor.status() : undefined;
    if (status?.remembered) this.#memory = status.remembered;
    // The guest has restarted by itself, or the server did while it booted: somebody must see it come up.
    if (status?.qemu && !status.qemu.ready) void this.#boot.login();
    return {
      state: stateOf(container, status),
      accelerator: this.#deps.accelerator,
      hardware: this.#memory.hardware,
      pendingHardware: this.#memory.pendingHardware,
    };
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    this.#changes.onChange(listener, signal);
  }

  /** Ends with the container. Whoever looks has it followed again. */
  async #follow(): Promise<void> {
    const { signal } = this.#end;
    if (this.#isFollowed || signal.aborted) return;
    this.#isFollowed = true;
    let isHeard = false;
    const onChange = () => {
      isHeard = true;
      this.#changes.tell();
    };
    // Whoever looked hears from the look itself where it can't be asked.
    await this.#supervisor.follow(onChange, signal).catch(() => {});
    this.#isFollowed = false;
    // The container may run again before its end was seen here.
    if (isHeard && !signal.aborted) this.#changes.tell();
  }

  async start(report: SandboxReport, signal: AbortSignal, first: FirstStart = {}): Promise<void> {
    const consoleOffset = await step(report, "start VM", async () => {
      await first.make?.();
      return await this.#powerOn(signal, first);
    });
    if (first.role !== "copy") return await this.#boot.tell(report, consoleOffset, signal);
    await step(report, "log in", async () => {
      // A login takes an emulated processor a second, and there are two: the learner's user needs one as well.
      void this.place.login("admin").catch(() => {});
      await unlessAborted(becomeOneself(this.place, signal), signal);
      // From now on it is a machine of its own; one that never got here is unfinished to whoever finds it.
      await this.#remember(this.#memory);
      await unlessAborted(this.#boot.login(), signal);
    });
  }

  async stop(graceMs: number, signal: AbortSignal): Promise<void> {
    const container = await this.#deps.engine.inspectContainer(this.#container);
    if (!container?.running || !(await this.#supervisor.status()).qemu) return;
    const parts = { ...this.#deps, container: this.#container, supervisor: this.#supervisor };
    if (graceMs > 0 && (await pressPowerButton(parts, graceMs, signal))) return this.#hangUp();
    await this.#supervisor.kill();
    if (!(await this.#supervisor.awaitOff(offTimeoutMs, signal)))
      throw new LabError("machine_failed", `QEMU of machine \`${this.sandboxId}\` does not end`, {
        hint: "is the host's disk stuck? see its kernel log",
      });
    this.#hangUp();
  }

  async hardReset(signal: AbortSignal): Promise<void> {
    if (!(await this.#supervisor.status()).qemu)
      throw new LabError("conflict", `machine \`${this.sandboxId}\` is off`, { hint: "power it on" });
    this.#boot.forget();
    await this.#supervisor.markReady(false);
    await qmp({ ...this.#deps, container: this.#container }, "system_reset");
    this.#hangUp();
    // Again: an inspection may have begun to wait for the guest that was there until just now.
    this.#boot.forget();
    await unlessAborted(this.#boot.login(), signal);
  }

  async resize(hardware: Hardware): Promise<void> {
    const status = await this.#supervisor.status();
    const memory = status.remembered ?? this.#memory;
    checkResize(memory.hardware, hardware);
    const { pendingHardware: _, ...rest } = memory;
    await this.#remember(
      sameHardware(memory.hardware, hardware) ? rest : { ...rest, pendingHardware: hardware },
    );
  }

  async connect(port: number): Promise<Duplex> {
    return await this.#supervisor.connect(port);
  }

  async connectSocket(path: string): Promise<Duplex> {
    return await this.#ssh.root.connectSocket(path);
  }

  async connectFromInside(address: string, port: number): Promise<Duplex> {
    return await this.#ssh.root.connectTcp(address, port);
  }

  async openConsole(): Promise<Duplex> {
    return await openConsole({ ...this.#deps, container: this.#container }, { newest: consoleReplayBytes });
  }

  async destroy(): Promise<void> {
    this.release();
    await this.#deps.engine.removeContainer(this.#container);
    this.#deps.onDestroyed?.(this);
  }

  /** Lets go of every connection; the VM goes on. */
  release(): void {
    this.#end.abort();
    this.#boot.end();
    this.#hangUp();
  }

  /** Makes network, disks and keys of a container that has just been made. */
  async prepare(authorizedKey: string, role?: QemuSettings["role"]): Promise<void> {
    // Both are let end, so that neither makes something while the other's failure is cleaned up.
    const done = await Promise.allSettled([plugIn(this.#deps), this.#makeDisks(authorizedKey, role)]);
    for (const one of done) if (one.status === "rejected") throw one.reason;
  }

  async #makeDisks(authorizedKey: string, role?: QemuSettings["role"]): Promise<void> {
    const { dataDiskGib } = this.#memory.hardware;
    const below = role === "copy" ? TEMPLATE : GUEST;
    const script = [
      "set -e",
      `cat >${PATHS.authorizedKeys}`,
      `qemu-img create -q -f qcow2 -b ${below.rootDisk} -F qcow2 ${PATHS.rootDisk}`,
      `qemu-img create -q -f qcow2 -b ${below.dataDisk} -F qcow2 ${PATHS.dataDisk} "$1"`,
      // Whoever looks at a copy's console finds the boot it comes from.
      ...(role === "copy" ? [`cat ${TEMPLATE.console} >>${PATHS.console}`] : []),
    ].join("\n");
    await this.#run(
      ["sh", "-c", script, "sh", `${dataDiskGib}G`],
      "make its disks",
      `${authorizedKey.trim()}\n`,
    );
    if (role !== "copy") await this.#remember(this.#memory);
  }

  /** Powers on unless it is on. Gives the length of the console before. */
  async #powerOn(signal: AbortSignal, { make, role }: FirstStart): Promise<number> {
    const { engine } = this.#deps;
    await engine.startContainer(this.#container);
    const status = await this.#supervisor.status();
    if (status.qemu?.runState === "no-space" || status.qemu?.runState === "io-error")
      await qmp({ engine, container: this.#container }, "cont");
    if (status.qemu) return status.consoleBytes;
    if (signal.aborted) throw new LabError("aborted", "interrupted");
    const memory = status.remembered ?? (role === "copy" ? this.#memory : undefined);
    if (!memory) throw new LabError("machine_failed", neverFinished, { hint: startOver });
    if (status.devices.length === 0) await plugIn(this.#deps);
    const hardware = memory.pendingHardware ?? memory.hardware;
    if (memory.pendingHardware) await this.#changeHardware(memory, hardware);
    else this.#memory = memory;
    this.#boot.forget({ isFirst: make !== undefined });
    this.#isTemplate = role === "template";
    await this.#supervisor.powerOn(this.#arguments(role));
    if (role === "copy") await this.#load(signal);
    return status.consoleBytes;
  }

  #arguments(role: QemuSettings["role"]): string[] {
    const { hardware, uuid } = this.#memory;
    return qemuArguments({ accelerator: this.#deps.accelerator, hardware, uuid, ...(role ? { role } : {}) });
  }

  async #load(signal: AbortSignal): Promise<void> {
    try {
      await loadState({ engine: this.#deps.engine, container: this.#container }, signal);
    } catch (error) {
      // Its own last words say more than that it hung up.
      const hasEnded = await this.#supervisor.awaitOff(2_000).catch(() => false);
      const said = hasEnded ? (await this.#supervisor.status()).last?.said : undefined;
      if (!said) throw error;
      throw new LabError("machine_failed", `QEMU could not go on from the template: ${said}`, {
        cause: error,
        hint: "`vmTemplate: false` has every VM boot",
      });
    }
  }

  async #changeHardware(memory: MachineMemory, hardware: Hardware): Promise<void> {
    await this.#deps.engine.limitContainer(
      this.#container,
      containerLimits(this.#deps.accelerator, hardware),
    );
    if (hardware.dataDiskGib > memory.hardware.dataDiskGib)
      await this.#run(
        ["qemu-img", "resize", "-q", PATHS.dataDisk, `${hardware.dataDiskGib}G`],
        "grow its data disk",
      );
    await this.#remember({ uuid: memory.uuid, hardware });
  }

  async #remember(memory: MachineMemory): Promise<void> {
    await this.#supervisor.remember(memory);
    this.#memory = memory;
  }

  async #run(argv: readonly string[], what: string, input?: string): Promise<void> {
    const result = await this.#deps.engine.exec(this.#container, argv, {
      timeoutMs: diskTimeoutMs,
      ...(input === undefined ? {} : { input }),
    });
    if (result.exitCode === 0) return;
    const said = result.stderr.trim();
    const isFull = /no space left/i.test(said);
    throw new LabError(
      isFull ? "disk_full" : "machine_failed",
      `could not ${what}: ${said}`,
      isFull ? { hint: "free disk space on the lab host, where Docker keeps its volumes" } : {},
    );
  }

  #hangUp(): void {
    this.#ssh.root.close();
    this.#ssh.admin.close();
  }
}

/** What the machine's container may use: the guest's hardware and QEMU's own needs. */
export function containerLimits(accelerator: Accelerator, hardware: Hardware) {
  return {
    memoryMib: hardware.memoryMib + overheadMib(accelerator),
    cpus: hardware.cpus,
    // QEMU's threads, and one socat with its shell for every open connection.
    pids: 1024,
  };
}

function sameHardware(a: Hardware, b: Hardware): boolean {
  return a.cpus === b.cpus && a.memoryMib === b.memoryMib && a.dataDiskGib === b.dataDiskGib;
}
