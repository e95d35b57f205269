import { Changes } from "../changes.ts";
import type {
  Cluster,
  ClusterDriver,
  ClusterInspection,
  ClusterSpec,
  DiskUse,
  Placement,
} from "../cluster/cluster.ts";
import { type LabError, toLabError } from "../errors.ts";
import type { Machine, MachineDriver, MachineInspection, MachineSpec } from "../machine/machine.ts";
import { step } from "../progress.ts";
import type { Sandbox, SandboxInspection, SandboxPhase, WorldsInUse } from "../sandbox.ts";
import type { Trouble } from "../trouble.ts";
import { type AdoptOptions, adoptParts } from "./adopt-parts.ts";
import { BringUpSteps } from "./bring-up-steps.ts";

export interface LiveSandboxDeps {
  machines: MachineDriver;
  clusters: ClusterDriver;
  network: { create(sandboxId: string): Promise<void>; remove(sandboxId: string): Promise<void> };
  machineSpec(sandboxId: string): MachineSpec;
  /** For `nested` the endpoint leads through the machine. */
  clusterSpec(sandboxId: string, machine: Machine | undefined): Promise<ClusterSpec>;
  /** Removes whatever carries the sandbox's label or kind's. */
  sweep(sandboxId: string): Promise<void>;
}

/** One sandbox in this process's memory; everything durable about it is in Docker. */
export class LiveSandbox implements Sandbox {
  readonly id: string;
  readonly placement: Placement;
  readonly createdAt: Date;
  readonly #deps: LiveSandboxDeps;
  readonly #changes = new Changes();
  readonly #steps = new BringUpSteps(() => this.changed());
  readonly #abort = new AbortController();
  #machine: Machine | undefined;
  #cluster: Cluster | undefined;
  /** Why a part of an adopted sandbox is not there. */
  #missing: { machine?: LabError | undefined; cluster?: LabError | undefined } = {};
  #inUse: WorldsInUse = { vm: false, cluster: false };
  #isUp = false;
  #isDestroying = false;
  #failure: SandboxInspection["failure"];
  #work: Promise<void> = Promise.resolve();

  constructor(id: string, placement: Placement, deps: LiveSandboxDeps, createdAt = new Date()) {
    this.id = id;
    this.placement = placement;
    this.createdAt = createdAt;
    this.#deps = deps;
  }

  machine(): Machine | undefined {
    return this.#machine;
  }

  cluster(): Cluster | undefined {
    return this.#cluster;
  }

  get missing(): { machine?: LabError | undefined; cluster?: LabError | undefined } {
    return this.#missing;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Tells listeners to look again. */
  changed(): void {
    this.#changes.tell();
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    this.#changes.onChange(listener, signal);
  }

  /** Makes network, VM and cluster; VM and cluster side by side where they don't need each other. Never rejects: a failure is kept for `inspect`. */
  bringUp(): Promise<void> {
    this.#work = this.#bringUp();
    return this.#work;
  }

  async #bringUp(): Promise<void> {
    const { signal } = this.#abort;
    const { report } = this.#steps;
    const deps = this.#deps;
    try {
      signal.throwIfAborted();
      await step(report, "create network", () => deps.network.create(this.id));
      const makeMachine = async () => {
        this.#take(await deps.machines.create(deps.machineSpec(this.id), report, signal));
        this.changed();
      };
      const makeCluster = async () => {
        this.#cluster = await deps.clusters.create(
          await deps.clusterSpec(this.id, this.#machine),
          report,
          signal,
        );
        this.changed();
      };
      if (this.placement === "nested") {
        await makeMachine();
        await makeCluster();
      } else await bothOrNeither(this.#abort, [makeMachine, makeCluster]);
      this.#isUp = true;
    } catch (error) {
      if (!this.#isDestroying) {
        const { code, message, hint } = toLabError(error);
        this.#failure = { code, message, hint };
        await deps.sweep(this.id).catch(() => {});
      }
      this.#machine = undefined;
      this.#cluster = undefined;
    }
    this.changed();
  }

  /** Takes over what an earlier server left; parts may be missing. False when there is nothing to keep. */
  async adopt(options: AdoptOptions): Promise<boolean> {
    this.#inUse = options.inUse;
    const parts = await adoptParts(this.#deps, this, options);
    if (!parts) return false;
    if (parts.machine.there !== this.#machine) this.#take(parts.machine.there);
    this.#cluster = parts.cluster.there;
    this.#missing = { machine: parts.machine.missing, cluster: parts.cluster.missing };
    this.#isUp = true;
    return true;
  }

  #take(machine: Machine | undefined): void {
    this.#machine = machine;
    machine?.onChange(() => this.changed(), this.#abort.signal);
  }

  async inspect(): Promise<SandboxInspection> {
    const hurtMachine = (error: unknown) => brokenMachine(error, this.#deps.machineSpec(this.id));
    const { missing } = this;
    const [machine, cluster] = await Promise.all([
      this.#machine?.inspect().catch(hurtMachine) ?? (missing.machine && hurtMachine(missing.machine)),
      this.#cluster?.inspect().catch(brokenCluster) ?? (missing.cluster && brokenCluster(missing.cluster)),
    ]);
    return {
      id: this.id,
      phase: this.#phase(machine, cluster),
      placement: this.placement,
      machine,
      cluster,
      steps: this.#steps.list(),
      createdAt: this.createdAt,
      failure: this.#failure,
    };
  }

  #phase(machine: MachineInspection | undefined, cluster: ClusterInspection | undefined): SandboxPhase {
    if (this.#isDestroying) return "destroying";
    if (this.#failure) return "failed";
    if (!this.#isUp) return "creating";
    const isHurt = machine?.state.power === "broken" || cluster?.state.phase !== "ready";
    return isHurt ? "degraded" : "ready";
  }

  /** Looks again for what is missing and starts what has stopped. Throws where that is not enough; a reset then gives a new sandbox. */
  async repair(): Promise<void> {
    const { signal } = this.#abort;
    if (this.#lost()) await this.adopt({ inUse: this.#inUse, patienceMs: 0, signal });
    const machine = this.#machine;
    const cluster = this.#cluster;
    if (machine && (await machine.inspect()).state.power === "broken")
      await machine.start(this.#steps.report, signal);
    if (cluster && (await cluster.inspect()).state.phase !== "ready")
      await cluster.repair(this.#steps.report, signal);
    this.changed();
    const lost = this.#lost();
    if (lost) throw lost;
  }

  #lost(): LabError | undefined {
    return this.#missing.machine ?? this.#missing.cluster;
  }

  /** What it uses of the Docker host's disk beside the VM's disks, which have a size. */
  async diskUse(): Promise<DiskUse[]> {
    return (await this.#cluster?.diskUse(this.#abort.signal)) ?? [];
  }

  /** Stops its cluster for good; the VM goes on. */
  async haltCluster(trouble: Trouble): Promise<void> {
    await this.#cluster?.halt(trouble);
    this.changed();
  }

  /** Powers the VM on, telling its steps like the first bring-up does. */
  async powerOn(machine: Machine, signal: AbortSignal): Promise<void> {
    await machine.start(this.#steps.report, AbortSignal.any([this.#abort.signal, signal]));
  }

  /** Lets go of what this process holds open for it; the sandbox goes on. */
  async release(): Promise<void> {
    await this.#cluster?.release();
  }

  async destroy(): Promise<void> {
    this.#isDestroying = true;
    this.#abort.abort();
    this.changed();
    await this.#work;
    await Promise.allSettled([this.#cluster?.destroy(), this.#machine?.destroy()]);
    await this.#deps.sweep(this.id);
    await this.#deps.network.remove(this.id);
  }
}

/** Runs both; when one fails the other is interrupted, and only then the first failure is thrown. */
async function bothOrNeither(abort: AbortController, work: (() => Promise<void>)[]): Promise<void> {
  let first: { error: unknown } | undefined;
  await Promise.all(
    work.map((one) =>
      one().catch((error: unknown) => {
        first ??= { error };
        abort.abort();
      }),
    ),
  );
  if (first) throw first.error;
}

function brokenMachine(error: unknown, spec: MachineSpec): MachineInspection {
  return {
    state: { power: "broken", ...notInspected(error) },
    accelerator: spec.accelerator,
    hardware: spec.hardware,
    pendingHardware: undefined,
  };
}

function brokenCluster(error: unknown): ClusterInspection {
  return {
    state: { phase: "broken", ...notInspected(error) },
    nodes: [],
    enforcesNetworkPolicy: false,
  };
}

function notInspected(error: unknown): Trouble {
  const { message, hint } = toLabError(error);
  const remedy = hint ?? "try again, or reset the lab";
  return { code: "not_inspected", values: [message], reason: message, remedy };
}
