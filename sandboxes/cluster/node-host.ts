import type { Duplex } from "node:stream";
import type { ContainerState, Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { Machine } from "../machine/machine.ts";
import { machineContainer } from "../machine/names.ts";
import type { ClusterSpec } from "./cluster.ts";
import { type Forward, forwardTcpPort, forwardUnixSocket } from "./docker-forward.ts";
import { API_PORT, controlPlaneName } from "./names.ts";

/** The Docker that runs the nodes, as seen from here; all that differs between the placements. */
export interface NodeHost extends AsyncDisposable {
  readonly engine: Engine;
  /** Environment for the docker and kind commands. */
  readonly env: Record<string, string>;
  /** Where the lab server reaches the API server, given where that host published it. */
  apiServer(published: URL): string;
  /** A TCP connection to a port of a node, as its neighbours make it. */
  connect(node: string, port: number): Promise<Duplex>;
}

export interface NodeHostDeps {
  /** The lab host's Docker. */
  engine: Engine;
  /** An engine for another endpoint, e.g. a forwarded socket. */
  engineAt(dockerHost: string): Engine;
}

export async function openNodeHost(deps: NodeHostDeps, spec: ClusterSpec): Promise<NodeHost> {
  return spec.placement === "beside" ? await besideHost(deps, spec) : await nestedHost(deps, spec);
}

async function besideHost({ engine }: NodeHostDeps, { endpoint, sandboxId }: ClusterSpec): Promise<NodeHost> {
  const { dockerHost, env, network } = endpoint;
  // The machine's container is on the sandbox's network and knows the nodes by name, wherever the endpoint is.
  const connect: NodeHost["connect"] = (node, port) =>
    engine.stream(machineContainer(sandboxId), ["socat", "-", `TCP:${node}:${port},connect-timeout=5`]);
  // What a Docker elsewhere publishes at its loopback is out of reach from here.
  const api = dockerHost.startsWith("unix:")
    ? undefined
    : await forwardTcpPort(() => connect(controlPlaneName(sandboxId), API_PORT));
  return {
    engine,
    env: {
      ...env,
      DOCKER_HOST: dockerHost,
      ...(network ? { KIND_EXPERIMENTAL_DOCKER_NETWORK: network } : {}),
    },
    apiServer: (published) => (api ? forwardedApi(api) : published.origin),
    connect,
    // The engine belongs to whoever made it.
    [Symbol.asyncDispose]: async () => await api?.[Symbol.asyncDispose](),
  };
}

async function nestedHost(deps: NodeHostDeps, spec: ClusterSpec): Promise<NodeHost> {
  const machine = guestOf(spec);
  const docker = await forwardUnixSocket(() => machine.connectSocket("/run/docker.sock"));
  let api: Forward;
  try {
    api = await forwardTcpPort(() => machine.connect(API_PORT));
  } catch (error) {
    await docker[Symbol.asyncDispose]();
    throw error;
  }
  const engine = deps.engineAt(docker.address);
  return {
    engine,
    env: { DOCKER_HOST: docker.address },
    apiServer: () => forwardedApi(api),
    connect: connectByAddress(engine, machine),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await Promise.all([docker[Symbol.asyncDispose](), api[Symbol.asyncDispose]()]);
    },
  };
}

/** By this name, since kind's certificates hold it whatever address they are published at. */
function forwardedApi({ address }: Forward): string {
  return `https://localhost:${address.split(":")[1]}`;
}

/** Nobody but the guest reaches its containers, and the guest by address. Asking for it takes an emulated Docker a while. */
function connectByAddress(engine: Engine, machine: Machine): NodeHost["connect"] {
  const known = new Map<string, string>();
  return async (node, port) => {
    const address = known.get(node) ?? addressOf(await engine.inspectContainer(node));
    if (!address)
      throw new LabError("cluster_failed", `node \`${node}\` does not run`, {
        hint: "start what has stopped",
      });
    known.set(node, address);
    try {
      return await machine.connectFromInside(address, port);
    } catch (error) {
      // A node that was started again may have another.
      known.delete(node);
      throw error;
    }
  };
}

/** A node's one address on the network it shares with its host. */
export function addressOf(node: ContainerState | undefined): string | undefined {
  return Object.values(node?.addresses ?? {})[0];
}

/** The VM whose Docker runs the nodes of a nested cluster. */
export function guestOf({ machine, sandboxId }: ClusterSpec): Machine {
  if (machine) return machine;
  throw new LabError("internal", `sandbox \`${sandboxId}\` has no VM to put its cluster into`);
}

/** Whether a VM holds the nodes and does not run; then there is nothing to ask. */
export async function isGuestOff(spec: ClusterSpec): Promise<boolean> {
  return spec.placement === "nested" && (await guestOf(spec).inspect()).state.power !== "on";
}
