import { randomBytes } from "node:crypto";
import PQueue from "p-queue";
import type { ClusterDriver, ClusterSpec } from "../cluster/cluster.ts";
import type { Engine } from "../engine/engine.ts";
import { LabError, toLabError } from "../errors.ts";
import type { Machine, MachineDriver, MachineSpec } from "../machine/machine.ts";
import type { Capacity, Sandbox, SandboxService, WorldsInUse } from "../sandbox.ts";
import { Turns } from "../turns.ts";
import { checkRoomFor, computeCapacity, type HostNow, promisedHardware, sumPromised } from "./capacity.ts";
import { DiskWatch } from "./disk-watch.ts";
import { type DockerListener, followDocker } from "./follow-docker.ts";
import { measureHeldMib } from "./held-memory.ts";
import { LiveSandbox, type LiveSandboxDeps } from "./live-sandbox.ts";
import { Removals } from "./removals.ts";
import { SandboxPool } from "./sandbox-pool.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";
import { findSandboxIds, sandboxIdOf, sweepContainers } from "./sweep.ts";

export interface SandboxServiceDeps {
  settings: SandboxSettings;
  engine: Engine;
  machines: MachineDriver;
  clusters: ClusterDriver;
  networks: { create(sandboxId: string): Promise<void>; remove(sandboxId: string): Promise<void> };
  machineSpec(sandboxId: string): MachineSpec;
  clusterSpec(sandboxId: string, machine: Machine | undefined): Promise<ClusterSpec>;
  /** Memory that the Docker host has left; absent where that is another host. */
  availableMemoryMib?(): Promise<number | undefined>;
  /** Free disk where Docker keeps its data; `undefined` where that is out of sight. */
  freeDiskMib(dataRoot: string): Promise<number | undefined>;
  /** The pool is filled once it resolves: what makes bring-ups fast may be in the making. */
  poolMayFill?: Promise<void>;
  /** Docker was away and answers again: what it or the host has forgotten meanwhile can be put right. */
  onDockerBack?(): void;
  /** How long recovery asks for a sandbox that does not answer before it is taken over as hurt. */
  recoveryPatienceMs?: number;
  /** Called for what nobody waits for: a bring-up of the pool that failed, events that can't be read, a full disk. */
  onTrouble(error: LabError, sandboxId: string | undefined): void;
}

const RECOVERY_PATIENCE_MS = 60_000;

/** See `SandboxService` for what it promises. */
export function createSandboxService(deps: SandboxServiceDeps): SandboxService {
  return new Service(deps);
}

class Service implements SandboxService {
  readonly #deps: SandboxServiceDeps;
  readonly #settings: SandboxSettings;
  readonly #live = new Map<string, LiveSandbox>();
  /** Ids of sandboxes that were removed. */
  readonly #gone = new Set<string>();
  /** Of each sandbox. */
  readonly #turns = new Turns();
  /** Aborted when the plug of a VM is pulled, which waits for no guest to shut down or boot. */
  readonly #plugs = new Map<string, AbortController>();
  readonly #bringUps: PQueue;
  readonly #pool: SandboxPool;
  readonly #stop = new AbortController();
  readonly #removals = new Removals<LiveSandbox>((sandbox) => this.#forget(sandbox.id), this.#stop.signal);
  #following: Promise<void> | undefined;
  /** Claims are decided one after the other, or two would take the last room. */
  readonly #claims = new PQueue({ concurrency: 1 });
  #diskWatch: DiskWatch | undefined;

  constructor(deps: SandboxServiceDeps) {
    this.#deps = deps;
    this.#settings = deps.settings;
    this.#bringUps = new PQueue({ concurrency: deps.settings.bringUpsAtOnce });
    this.#pool = new SandboxPool({
      size: deps.settings.poolSize,
      mayFill: deps.poolMayFill,
      claims: this.#claims,
      hasRoom: () => this.#hasRoom(),
      make: () => this.#make(),
      remove: (sandbox) => this.#removeUnowned(sandbox),
      onTrouble: deps.onTrouble,
      signal: this.#stop.signal,
    });
  }

  async recover(
    keep: ReadonlySet<string>,
    inUse: (id: string) => WorldsInUse = () => ({ vm: true, cluster: true }),
  ): Promise<void> {
    // First, so that no container comes unseen while others are removed.
    this.#following ??= this.#followDocker();
    const found = await findSandboxIds(this.#deps.engine, this.#settings.installation);
    const patience = {
      patienceMs: this.#deps.recoveryPatienceMs ?? RECOVERY_PATIENCE_MS,
      signal: this.#stop.signal,
    };
    await Promise.all(
      [...found].map(async (id) => {
        if (this.#live.has(id)) return;
        const sandbox = this.#newSandbox(id);
        this.#live.set(id, sandbox);
        const isKept = keep.has(id) && (await sandbox.adopt({ ...patience, inUse: inUse(id) }));
        if (isKept) this.#tellMissing(sandbox);
        else await this.#removeUnowned(sandbox);
      }),
    );
    this.#diskWatch ??= new DiskWatch({
      limitMib: this.#settings.diskMib,
      sandboxes: () => [...this.#live.values()],
      freeDiskMib: async () => this.#deps.freeDiskMib((await this.#deps.engine.info()).dataRoot),
      onTrouble: this.#deps.onTrouble,
    });
    this.#pool.start();
  }

  claim(): Promise<Sandbox> {
    return this.#claims.add(async () => {
      const sandbox = this.#pool.take() ?? (await this.#makeForLearner());
      this.#pool.fill();
      return sandbox;
    });
  }

  get(id: string): Sandbox | undefined {
    return this.#live.get(id);
  }

  list(): Sandbox[] {
    return [...this.#live.values()];
  }

  async destroy(id: string): Promise<void> {
    const sandbox = this.#live.get(id);
    if (!sandbox) return;
    this.#pool.forget(sandbox);
    // Not in the sandbox's queue: it must also end what is being done there.
    await this.#removals.remove(sandbox);
    this.#pool.fill();
  }

  async power(id: string, action: "on" | "off" | "plug" | "reset"): Promise<void> {
    if (action === "plug") {
      this.#plugs.get(id)?.abort();
      this.#plugs.delete(id);
      return await this.#inTurn(id, (sandbox) => machineOf(sandbox).stop(0, this.#stop.signal));
    }
    const plug = this.#plugs.get(id) ?? new AbortController();
    this.#plugs.set(id, plug);
    const signal = AbortSignal.any([this.#stop.signal, plug.signal]);
    await this.#inTurn(id, async (sandbox) => {
      if (plug.signal.aborted) return;
      const machine = machineOf(sandbox);
      try {
        if (action === "on") await sandbox.powerOn(machine, signal);
        else if (action === "off") await machine.stop(60_000, signal);
        else await machine.hardReset(signal);
      } catch (error) {
        // What a pulled plug overtakes has not failed.
        if (!plug.signal.aborted) throw error;
      }
    });
  }

  async resize(
    id: string,
    hardware: { cpus: number; memoryMib: number; dataDiskGib: number },
  ): Promise<void> {
    await this.#inTurn(id, async (sandbox) => {
      const machine = machineOf(sandbox);
      // With the claims: two would take the same room.
      await this.#claims.add(async () => {
        checkRoomFor(hardware, promisedHardware(await machine.inspect()), await this.capacity());
        await machine.resize(hardware);
      });
    });
  }

  async repair(id: string): Promise<void> {
    await this.#inTurn(id, (sandbox) => sandbox.repair());
  }

  async capacity(): Promise<Capacity> {
    const [info, memory, promised] = await Promise.all([
      this.#deps.engine.info(),
      this.#measureMemory(),
      this.#promised(),
    ]);
    const freeDiskMib = await this.#deps.freeDiskMib(info.dataRoot);
    return computeCapacity(this.#settings, { ...info, ...memory, freeDiskMib }, promised);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Sandboxes stay: the next server adopts them. The pool's and half-made ones are swept by it.
    this.#stop.abort();
    this.#diskWatch?.[Symbol.dispose]();
    this.#bringUps.clear();
    this.#claims.clear();
    await Promise.allSettled([...this.#live.values()].map((sandbox) => sandbox.release()));
  }

  async #measureMemory(): Promise<Pick<HostNow, "availableMib" | "heldMib">> {
    if (!this.#deps.availableMemoryMib) return { availableMib: undefined, heldMib: 0 };
    // In this order: what a sandbox takes meanwhile counts twice rather than not at all.
    const heldMib = await measureHeldMib(this.#deps.engine, new Set(this.#live.keys()));
    return { availableMib: await this.#deps.availableMemoryMib(), heldMib };
  }

  async #promised() {
    const vms = [...this.#live.values()].map(async (sandbox) => {
      // One that can't be asked now has its room all the same.
      const inspection = await sandbox
        .machine()
        ?.inspect()
        .catch(() => undefined);
      return inspection ? promisedHardware(inspection) : this.#settings.hardware;
    });
    return sumPromised(this.#settings, await Promise.all(vms));
  }

  async #hasRoom(): Promise<boolean> {
    return (await this.capacity()).room >= 1;
  }

  async #makeForLearner(): Promise<LiveSandbox> {
    if (!(await this.#hasRoom()))
      throw new LabError("no_room", "the host has no room for another sandbox", {
        hint: "wait until one ends; the lab server gives it to whoever waits longest",
      });
    return this.#make();
  }

  #make(): LiveSandbox {
    const sandbox = this.#newSandbox(randomBytes(4).toString("hex"));
    this.#live.set(sandbox.id, sandbox);
    void this.#bringUps
      .add(() => sandbox.bringUp())
      .then(() => this.#pool.dropIfFailed(sandbox))
      .catch((error: unknown) => this.#deps.onTrouble(toLabError(error), sandbox.id));
    return sandbox;
  }

  #newSandbox(id: string): LiveSandbox {
    const { engine, machines, clusters, networks, machineSpec, clusterSpec } = this.#deps;
    const parts: LiveSandboxDeps = {
      machines,
      clusters,
      network: networks,
      machineSpec,
      clusterSpec,
      sweep: (sandboxId) => sweepContainers(engine, sandboxId),
    };
    return new LiveSandbox(id, this.#settings.placement, parts);
  }

  /** Nobody waits for it: where it fails it is told, and tried again. */
  async #removeUnowned(sandbox: LiveSandbox): Promise<void> {
    await this.#removals
      .remove(sandbox)
      .catch((error: unknown) => this.#deps.onTrouble(toLabError(error), sandbox.id));
  }

  #forget(id: string): void {
    this.#live.delete(id);
    this.#gone.add(id);
    this.#plugs.delete(id);
  }

  /** A `docker run` of kind's that was under way when kind was killed makes its container all the same. */
  #sweepLate(id: string): void {
    sweepContainers(this.#deps.engine, id).catch((error: unknown) =>
      this.#deps.onTrouble(toLabError(error), id),
    );
  }

  #tellMissing(sandbox: LiveSandbox): void {
    const { machine, cluster } = sandbox.missing;
    for (const missing of new Set([machine, cluster])) if (missing) this.#deps.onTrouble(missing, sandbox.id);
  }

  async #inTurn(id: string, work: (sandbox: LiveSandbox) => Promise<void>): Promise<void> {
    const sandbox = this.#live.get(id);
    if (!sandbox) throw new LabError("not_found", `there is no sandbox \`${id}\``);
    await this.#turns.run(id, () => work(sandbox));
    sandbox.changed();
  }

  /** A container that dies or starts changes what the pages show; Docker going away and coming back changes it all. */
  async #followDocker(): Promise<void> {
    const changeAll = () => {
      for (const sandbox of this.#live.values()) sandbox.changed();
    };
    const listener: DockerListener = {
      onEvent: ({ action, labels }) => {
        const id = sandboxIdOf(labels);
        if (!id) return;
        this.#live.get(id)?.changed();
        if (action === "create" && this.#gone.has(id)) this.#sweepLate(id);
      },
      onAway: (error) => {
        this.#deps.onTrouble(error, undefined);
        changeAll();
      },
      onBack: () => {
        changeAll();
        this.#removals.retryNow();
        this.#deps.onDockerBack?.();
      },
    };
    await followDocker(this.#deps.engine, listener, this.#stop.signal);
  }
}

function machineOf(sandbox: LiveSandbox): Machine {
  const machine = sandbox.machine();
  if (!machine)
    throw (
      sandbox.missing.machine ??
      new LabError("conflict", `the VM of sandbox \`${sandbox.id}\` is not there yet`, {
        hint: "wait until the bring-up is over",
      })
    );
  return machine;
}
