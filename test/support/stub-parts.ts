import { connect as connectTcp } from "node:net";
import { type Duplex, PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, ClusterInspection, ClusterState, DiskUse } from "../../sandboxes/cluster/cluster.ts";
import type { Hardware, Machine, MachineInspection, MachineState } from "../../sandboxes/machine/machine.ts";
import { type SandboxReport, step } from "../../sandboxes/progress.ts";
import type { Trouble } from "../../sandboxes/trouble.ts";
import { duplexOf } from "./duplex-of.ts";
import { StubPlace } from "./stub-place.ts";

/** Connects to what stands for a port inside the sandbox; refuses where nothing does. */
export type StubPorts = (world: "vm" | "cluster", port: number) => number | undefined;

export async function connectStub(ports: StubPorts, world: "vm" | "cluster", port: number): Promise<Duplex> {
  const local = ports(world, port);
  if (local === undefined)
    throw Object.assign(new Error(`connect ECONNREFUSED ${world}:${port}`), { code: "ECONNREFUSED" });
  const socket = connectTcp(local, "127.0.0.1");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.once("error", reject);
  await promise;
  // Like a stream through SSH: a duplex without the methods of a socket.
  return duplexOf(socket, socket);
}

/** A VM that is a folder: power and hardware are remembered, commands run on this host. */
export class StubMachine implements Machine {
  readonly sandboxId: string;
  readonly place: StubPlace;
  state: MachineState = { power: "on" };
  readonly #changed: () => void;
  readonly #ports: StubPorts;
  readonly #stepMs: number;
  #hardware: Hardware = { cpus: 2, memoryMib: 1536, dataDiskGib: 4 };
  #pending: Hardware | undefined;

  constructor(id: string, root: string, ports: StubPorts, stepMs: number, changed: () => void) {
    this.sandboxId = id;
    this.#changed = changed;
    this.#ports = ports;
    this.#stepMs = stepMs;
    this.place = new StubPlace("vm", root, () => this.state.power === "on");
  }

  async inspect(): Promise<MachineInspection> {
    return {
      state: this.state,
      accelerator: "tcg",
      hardware: this.#hardware,
      pendingHardware: this.#pending,
    };
  }

  /** The stub of its sandbox is told already. */
  onChange(): void {}

  async start(report: SandboxReport, signal: AbortSignal): Promise<void> {
    this.#become({ power: "starting" });
    for (const name of ["start VM", "boot guest", "log in"] as const)
      await step(report, name, () => delay(this.#stepMs, undefined, { signal }));
    this.#hardware = this.#pending ?? this.#hardware;
    this.#pending = undefined;
    this.#become({ power: "on" });
  }

  async stop(graceMs: number): Promise<void> {
    await delay(Math.min(graceMs, this.#stepMs));
    this.#become({ power: "off" });
    await this.place.end();
  }

  async hardReset(signal: AbortSignal): Promise<void> {
    await this.place.end();
    await this.start(() => {}, signal);
  }

  async resize(hardware: Hardware): Promise<void> {
    this.#pending = hardware;
    this.#changed();
  }

  connect(port: number): Promise<Duplex> {
    return connectStub(this.#ports, "vm", port);
  }

  async connectSocket(): Promise<Duplex> {
    throw Object.assign(new Error("connect ENOENT"), { code: "ENOENT" });
  }

  async connectFromInside(_address: string, port: number): Promise<Duplex> {
    return await this.connect(port);
  }

  async openConsole(): Promise<Duplex> {
    const output = new PassThrough();
    const input = new PassThrough();
    output.write("Debian GNU/Linux 13 machine ttyS0\r\n\r\nmachine login: ");
    input.on("data", (data: Buffer) => {
      output.write(data.toString().replaceAll("\r", "\r\nmachine login: "));
    });
    return duplexOf(output, input);
  }

  async destroy(): Promise<void> {
    this.#become({ power: "off" });
    await this.place.end();
  }

  #become(state: MachineState): void {
    this.state = state;
    this.#changed();
  }
}

/** A cluster that is a folder with a shell; nothing of Kubernetes is in it. */
export class StubCluster implements Cluster {
  readonly sandboxId: string;
  readonly place: StubPlace;
  state: ClusterState = { phase: "ready" };
  readonly #changed: () => void;

  constructor(id: string, root: string, changed: () => void) {
    this.sandboxId = id;
    this.#changed = changed;
    this.place = new StubPlace("cluster", root, () => true);
  }

  async inspect(): Promise<ClusterInspection> {
    const ready = this.state.phase === "ready";
    return {
      state: this.state,
      nodes: [{ name: `fb-${this.sandboxId}-control-plane`, ready }],
      enforcesNetworkPolicy: true,
    };
  }

  async kubeconfig(): Promise<string> {
    return "apiVersion: v1\nkind: Config\n";
  }

  async connect(): Promise<Duplex> {
    throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  }

  async repair(): Promise<void> {
    this.state = { phase: "ready" };
    this.#changed();
  }

  async diskUse(): Promise<DiskUse[]> {
    return [];
  }

  async halt(trouble: Trouble): Promise<void> {
    this.state = { phase: "broken", ...trouble };
    this.#changed();
  }

  async release(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.place.end();
  }
}
