import { CoreV1Api, type V1Node } from "@kubernetes/client-node";
import type { ContainerState, Engine } from "../engine/engine.ts";
import type { TroubleCode } from "../trouble.ts";
import type { ClusterState } from "./cluster.ts";
import { isReady, loadKubeconfig, withDeadline } from "./cluster-api.ts";
import { clusterName, KIND_CLUSTER_LABEL } from "./names.ts";
import type { Patience } from "./patience.ts";

export type NodeList = { name: string; ready: boolean }[];

/** The cluster's node containers, in order of name, running or not. */
export async function nodeContainers(engine: Engine, sandboxId: string): Promise<ContainerState[]> {
  const found = await engine.listContainers({ [KIND_CLUSTER_LABEL]: clusterName(sandboxId) });
  return found.sort((a, b) => a.name.localeCompare(b.name));
}

/** What the node containers alone say; `undefined` when all that is wanted runs. */
export function troubleOfContainers(
  containers: readonly ContainerState[],
  wanted: number,
): ClusterState | undefined {
  if (containers.length === 0) return { phase: "absent" };
  if (containers.length < wanted)
    return broken(
      "nodes_gone",
      [`${wanted - containers.length}`, `${wanted}`],
      `${wanted - containers.length} of ${wanted} nodes is gone`,
      "its data is lost with it: reset the lab to get a new cluster",
    );
  const stopped = containers.filter(({ running }) => !running);
  const first = stopped[0];
  if (!first) return undefined;
  const names = stopped.map(({ name }) => `\`${name}\``).join(", ");
  const why = first.oomKilled ? " (it ran out of memory)" : "";
  return broken(
    first.oomKilled ? "nodes_out_of_memory" : "nodes_stopped",
    [names],
    `${stopped.length > 1 ? "nodes" : "node"} ${names} stopped${why}`,
    "start what has stopped",
  );
}

/** What the API says of the nodes, in one call. */
export async function askApi(
  kubeconfig: string,
  containers: readonly ContainerState[],
  { startingMs, answerMs }: Patience,
): Promise<{ state: ClusterState; nodes: NodeList }> {
  const youngest = Math.max(...containers.map(({ startedAt }) => startedAt?.getTime() ?? 0));
  const isStarting = Date.now() - youngest < startingMs;
  let items: V1Node[];
  try {
    const core = loadKubeconfig(kubeconfig, answerMs).makeApiClient(CoreV1Api);
    ({ items } = await withDeadline(answerMs, core.listNode()));
  } catch {
    const nodes = containers.map(({ name }) => ({ name, ready: false }));
    if (isStarting) return { state: { phase: "starting" }, nodes };
    const remedy = "wait a moment, then start it anew";
    const state = broken("api_silent", [], "the Kubernetes API does not answer", remedy);
    return { state, nodes };
  }
  const nodes = containers.map(({ name, startedAt }) => {
    const node = items.find(({ metadata }) => metadata?.name === name);
    return { name, ready: node !== undefined && isReady(node, startedAt) };
  });
  const waiting = nodes.filter(({ ready }) => !ready).map(({ name }) => `\`${name}\``);
  if (waiting.length === 0) return { state: { phase: "ready" }, nodes };
  if (isStarting) return { state: { phase: "starting" }, nodes };
  return {
    state: broken(
      "nodes_not_ready",
      [waiting.join(", ")],
      `not Ready: ${waiting.join(", ")}`,
      "wait a moment; if it stays so, reset the lab",
    ),
    nodes,
  };
}

export function broken(
  code: TroubleCode,
  values: readonly string[],
  reason: string,
  remedy: string,
): ClusterState {
  return { phase: "broken", code, values, reason, remedy };
}
