import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../../sandboxes/errors.ts";
import type { Hardware } from "../../sandboxes/machine/machine.ts";
import { type SandboxStep, step } from "../../sandboxes/progress.ts";
import {
  type Capacity,
  isUntouched,
  type Sandbox,
  type SandboxInspection,
  type SandboxService,
  type WorldsInUse,
} from "../../sandboxes/sandbox.ts";
import { BringUpSteps } from "../../sandboxes/service/bring-up-steps.ts";
import { StubCluster, StubMachine, type StubPorts } from "./stub-parts.ts";

export interface StubOptions {
  /** Each sandbox is a folder in here; one that outlives the service is adopted by the next. */
  dir: string;
  /** How many there may be. */
  room: number;
  /** How long each step of a bring-up takes. */
  stepMs: number;
  ports: StubPorts;
  /** Comes before a cluster is made, which takes longer than the VM. */
  beforeCluster?: () => Promise<void>;
  /** Comes before a repair, which may take long. */
  beforeRepair?: () => Promise<void>;
  /** Comes before a service takes up what is there, as a Docker does that is slow or down. */
  beforeRecover?: () => Promise<void>;
}

/** A sandbox that is a folder of this host, with the life cycle of a real one. */
export class StubSandbox implements Sandbox {
  readonly id: string;
  readonly placement = "beside";
  readonly #dir: string;
  /** A file that is there once both worlds were made. */
  readonly #finished: string;
  readonly #options: StubOptions;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #steps = new BringUpSteps(() => this.changed());
  readonly #abort = new AbortController();
  readonly #createdAt = new Date();
  #machine: StubMachine | undefined;
  #cluster: StubCluster | undefined;
  #isUp = false;
  #work: Promise<void> = Promise.resolve();
  failure: SandboxInspection["failure"];
  /** What inspections wait for, as with a Docker that is busy. */
  busy = (): Promise<void> => Promise.resolve();

  constructor(id: string, options: StubOptions) {
    this.id = id;
    this.#options = options;
    this.#dir = join(options.dir, id);
    this.#finished = join(this.#dir, "finished");
  }

  machine(): StubMachine | undefined {
    return this.#machine;
  }

  cluster(): StubCluster | undefined {
    return this.#cluster;
  }

  changed(): void {
    this.#changes.emit("change");
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#changes.on("change", listener);
    signal.addEventListener("abort", () => this.#changes.off("change", listener), { once: true });
  }

  bringUp(): Promise<void> {
    this.#work = this.#bringUp();
    return this.#work;
  }

  /** Stops a bring-up where it is, as a killed server does. */
  async interrupt(): Promise<void> {
    this.#abort.abort();
    await this.#work;
  }

  async #bringUp(): Promise<void> {
    const { signal } = this.#abort;
    const { report } = this.#steps;
    const { stepMs } = this.#options;
    const take = (name: SandboxStep) => step(report, name, () => delay(stepMs, undefined, { signal }));
    try {
      await mkdir(this.#dir, { recursive: true });
      await take("create network");
      const machine = this.#newMachine();
      await Promise.all([
        machine.start(report, signal).then(async () => {
          await machine.place.prepare();
          this.#machine = machine;
          this.changed();
        }),
        (async () => {
          await Promise.race([this.#options.beforeCluster?.(), once(signal, "abort")]);
          for (const name of ["create cluster", "guard rails", "nodes ready"] as const) await take(name);
          await this.#addCluster();
        })(),
      ]);
      await writeFile(this.#finished, "");
      this.#isUp = true;
    } catch (error) {
      if (!signal.aborted) this.failure = { code: "internal", message: String(error), hint: "reset the lab" };
    }
    this.changed();
  }

  /** False where nobody has worked in it and it was never finished, as with real ones. */
  async adopt(inUse: WorldsInUse): Promise<boolean> {
    if (isUntouched(inUse) && !existsSync(this.#finished)) return false;
    this.#machine = this.#newMachine();
    await this.#machine.place.prepare();
    await this.#addCluster();
    this.#isUp = true;
    return true;
  }

  async inspect(): Promise<SandboxInspection> {
    await this.busy();
    const [machine, cluster] = await Promise.all([this.#machine?.inspect(), this.#cluster?.inspect()]);
    const isHurt = machine?.state.power === "broken" || cluster?.state.phase !== "ready";
    const phase = this.#abort.signal.aborted
      ? "destroying"
      : this.failure
        ? "failed"
        : !this.#isUp
          ? "creating"
          : isHurt
            ? "degraded"
            : "ready";
    return {
      id: this.id,
      phase,
      placement: this.placement,
      machine,
      cluster,
      steps: this.#steps.list(),
      createdAt: this.#createdAt,
      failure: this.failure,
    };
  }

  async repair(): Promise<void> {
    await this.#options.beforeRepair?.();
    if (this.#machine?.state.power === "broken")
      await this.#machine.start(this.#steps.report, this.#abort.signal);
    await this.#cluster?.repair();
    this.changed();
  }

  async powerOn(): Promise<void> {
    await this.#machine?.start(this.#steps.report, this.#abort.signal);
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    this.changed();
    await this.#work;
    await this.#machine?.destroy();
    await this.#cluster?.destroy();
    await rm(this.#dir, { recursive: true, force: true });
  }

  #newMachine(): StubMachine {
    const { ports, stepMs } = this.#options;
    return new StubMachine(this.id, join(this.#dir, "vm"), ports, stepMs, () => this.changed());
  }

  async #addCluster(): Promise<void> {
    const cluster = new StubCluster(this.id, join(this.#dir, "cluster"), () => this.changed());
    await cluster.place.prepare();
    this.#cluster = cluster;
    this.changed();
  }
}

/** Sandboxes without Docker, QEMU and kind, for tests of what is above them and for work on the page. */
export class StubSandboxes implements SandboxService {
  readonly options: StubOptions;
  readonly #live = new Map<string, StubSandbox>();
  /** Thrown by the next claims, as when Docker is down. */
  claimFailure: LabError | undefined;

  constructor(options: StubOptions) {
    this.options = options;
  }

  async recover(
    keep: ReadonlySet<string>,
    inUse: (id: string) => WorldsInUse = () => ({ vm: true, cluster: true }),
  ): Promise<void> {
    await this.options.beforeRecover?.();
    await mkdir(this.options.dir, { recursive: true });
    for (const id of await readdir(this.options.dir)) {
      const sandbox = new StubSandbox(id, this.options);
      if (keep.has(id) && (await sandbox.adopt(inUse(id)))) this.#live.set(id, sandbox);
      else await sandbox.destroy();
    }
  }

  async claim(): Promise<StubSandbox> {
    if (this.claimFailure) throw this.claimFailure;
    if (this.#live.size >= this.options.room)
      throw new LabError("no_room", "the host has no room for another sandbox");
    const sandbox = new StubSandbox(randomBytes(4).toString("hex"), this.options);
    this.#live.set(sandbox.id, sandbox);
    void sandbox.bringUp();
    return sandbox;
  }

  get(id: string): StubSandbox | undefined {
    return this.#live.get(id);
  }

  list(): StubSandbox[] {
    return [...this.#live.values()];
  }

  async destroy(id: string): Promise<void> {
    const sandbox = this.#live.get(id);
    if (!sandbox) return;
    await sandbox.destroy();
    this.#live.delete(id);
  }

  async power(id: string, action: "on" | "off" | "plug" | "reset"): Promise<void> {
    const sandbox = this.#existing(id);
    const machine = sandbox.machine();
    if (!machine) throw new LabError("conflict", "the VM is not there yet");
    if (action === "on") await sandbox.powerOn();
    else if (action === "reset") await machine.hardReset(new AbortController().signal);
    else await machine.stop(action === "plug" ? 0 : 60_000);
  }

  async resize(id: string, hardware: Hardware): Promise<void> {
    await this.#existing(id).machine()?.resize(hardware);
  }

  async repair(id: string): Promise<void> {
    await this.#existing(id).repair();
  }

  async capacity(): Promise<Capacity> {
    const used = this.#live.size;
    const room = Math.max(0, this.options.room - used);
    return {
      memoryMib: { total: 24_000, reserved: 2048 + used * 4736, free: room * 4736 },
      cpus: { total: 2, reserved: used * 4 },
      room,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list().map((sandbox) => sandbox.interrupt()));
  }

  #existing(id: string): StubSandbox {
    const sandbox = this.#live.get(id);
    if (!sandbox) throw new LabError("not_found", `there is no sandbox \`${id}\``);
    return sandbox;
  }
}
