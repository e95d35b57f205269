import { EventEmitter, on } from "node:events";
import type { Cluster, ClusterDriver, ClusterSpec, ClusterState } from "../../sandboxes/cluster/cluster.ts";
import type { Engine, EngineEvent } from "../../sandboxes/engine/engine.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Hardware, Machine, MachineDriver, MachineSpec } from "../../sandboxes/machine/machine.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import type { Trouble } from "../../sandboxes/trouble.ts";
import { containerState } from "./container-state.ts";

/**
 * A Docker host in memory for tests of what is above the drivers: containers and networks are names with labels, and a
 * machine or cluster is there when its container is. What real drivers do is tested on real ones.
 */
export class FakeHost {
  readonly containers = new Map<string, Record<string, string>>();
  readonly networks = new Map<string, Record<string, string>>();
  /** Machines are made once it resolves; absent means at once. */
  gate: Promise<void> | undefined;
  failCluster = false;
  /** What making a machine fails with. */
  machineFailure: LabError | undefined;
  #isAway = false;
  readonly #docker = new EventEmitter();
  /** Of each id, how often its machine still can't be asked when it is to be adopted. */
  readonly silent = new Map<string, number>();
  memoryMib = 24_000;
  freeDiskMib = 100_000;
  /** What each container holds of the memory; `undefined` gives no answer. */
  heldMib: (container: string) => number | undefined = () => 0;
  /** What the cluster of each sandbox uses of the disk. */
  readonly diskUse = new Map<string, number>();
  /** Ids in the order in which their machines were begun. */
  readonly begun: string[] = [];
  /** Clusters that don't show that they were finished. */
  readonly unfinished = new Set<string>();
  /** Guests neither shut down nor finish their boot. */
  isGuestDeaf = false;
  /** What guests were asked for. */
  readonly asked: string[] = [];
  readonly pending = new Map<string, Hardware>();
  /** Ids of the clusters that were let go of. */
  readonly released = new Set<string>();

  readonly engine = {
    info: async () =>
      this.#answer({
        ...{ version: "fake", cpus: 2, memoryMib: this.memoryMib, cgroupVersion: 2 as const },
        dataRoot: "/var/lib/docker",
      }),
    listContainers: async (wanted: Record<string, string>) =>
      this.#answer([...this.containers])
        .filter(([, labels]) => matches(labels, wanted))
        .map(([name, labels]) => containerState(name, { labels })),
    listNetworks: async (wanted: Record<string, string>) =>
      this.#answer([...this.networks])
        .filter(([, labels]) => matches(labels, wanted))
        .map(([name, labels]) => ({ name, subnet: "10.0.0.0/26", labels })),
    heldMib: async (name: string) => this.heldMib(name) ?? (await new Promise<never>(() => {})),
    removeContainer: async (name: string) => void this.#answer(this.containers).delete(name),
    events: (_labels: Record<string, string>, signal: AbortSignal) => this.#events(signal),
  } as unknown as Engine;

  readonly machines = {
    capabilities: new Set(),
    create: async (spec: MachineSpec, _report: unknown, signal: AbortSignal) => {
      this.begun.push(spec.sandboxId);
      if (this.machineFailure) throw this.machineFailure;
      this.containers.set(`fb-${spec.sandboxId}-machine`, spec.labels);
      if (this.gate !== undefined) await Promise.race([this.gate, aborted(signal)]);
      return this.#machine(spec.sandboxId);
    },
    adopt: async (id: string) => {
      const silences = this.silent.get(id) ?? 0;
      this.silent.set(id, silences - 1);
      if (silences > 0) throw new LabError("timed_out", "Docker gave no answer");
      return this.containers.has(`fb-${id}-machine`) ? this.#machine(id) : undefined;
    },
  } as unknown as MachineDriver;

  readonly clusters = {
    create: async (spec: ClusterSpec) => {
      if (this.failCluster) throw new LabError("cluster_failed", "kind said no", { hint: "see its log" });
      this.containers.set(`fb-${spec.sandboxId}-control-plane`, {
        "io.x-k8s.kind.cluster": `fb-${spec.sandboxId}`,
      });
      return this.#cluster(spec.sandboxId);
    },
    adopt: async ({ sandboxId: id }: ClusterSpec, { wasFinished }: { wasFinished: boolean }) =>
      this.containers.has(`fb-${id}-control-plane`) && (wasFinished || !this.unfinished.has(id))
        ? this.#cluster(id)
        : undefined,
  } as unknown as ClusterDriver;

  readonly networksOf = (installation: string) => ({
    create: async (id: string) =>
      void this.networks.set(`fb-${id}`, { [LABELS.sandbox]: id, [LABELS.installation]: installation }),
    remove: async (id: string) => void this.#answer(this.networks).delete(`fb-${id}`),
  });

  /** Docker doesn't answer any more, as while it is restarted. */
  goAway(): void {
    this.#isAway = true;
    this.#docker.emit("away");
  }

  /** A node that Docker was told to make before whoever told it was killed. */
  makeLate(id: string): void {
    const name = `fb-${id}-worker`;
    const labels = { "io.x-k8s.kind.cluster": `fb-${id}` };
    this.containers.set(name, labels);
    this.#docker.emit("event", { container: name, action: "create", labels } satisfies EngineEvent);
  }

  comeBack(): void {
    this.#isAway = false;
  }

  #answer<T>(value: T): T {
    if (this.#isAway) throw new LabError("docker_unavailable", "is Docker running?");
    return value;
  }

  async *#events(signal: AbortSignal): AsyncGenerator<EngineEvent> {
    this.#answer(undefined);
    try {
      for await (const [event] of on(this.#docker, "event", { signal, close: ["away"] })) yield event;
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    this.#answer(undefined);
  }

  #machine(id: string): Machine {
    let power = "on";
    return {
      sandboxId: id,
      inspect: async () => ({
        state: { power },
        accelerator: "tcg",
        hardware: { cpus: 2, memoryMib: 1536, dataDiskGib: 4 },
        pendingHardware: this.pending.get(id),
      }),
      onChange: () => {},
      start: async (_report: unknown, signal: AbortSignal) => {
        await this.#askGuest("start", signal);
        power = "on";
      },
      stop: async (graceMs: number, signal: AbortSignal) => {
        if (graceMs > 0) await this.#askGuest("stop", signal);
        power = "off";
      },
      hardReset: (signal: AbortSignal) => this.#askGuest("hardReset", signal),
      resize: async (hardware: Hardware) => void this.pending.set(id, hardware),
      destroy: async () => void this.#answer(this.containers).delete(`fb-${id}-machine`),
    } as unknown as Machine;
  }

  async #askGuest(what: string, signal: AbortSignal): Promise<void> {
    this.asked.push(what);
    if (this.isGuestDeaf) await aborted(signal);
  }

  #cluster(id: string): Cluster {
    let state: ClusterState = { phase: "ready" };
    return {
      sandboxId: id,
      inspect: async () => ({ state, nodes: [], enforcesNetworkPolicy: true }),
      diskUse: async () => [{ what: `node \`fb-${id}-control-plane\``, mib: this.diskUse.get(id) ?? 0 }],
      halt: async (trouble: Trouble) => {
        state = { phase: "broken", ...trouble };
      },
      release: async () => void this.released.add(id),
      destroy: async () => void this.#answer(this.containers).delete(`fb-${id}-control-plane`),
    } as unknown as Cluster;
  }
}

/** As Docker does it: without a value the label need only be there. */
function matches(labels: Record<string, string>, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => key in labels && (value === "" || labels[key] === value),
  );
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new LabError("aborted", "interrupted")), { once: true });
  });
}
