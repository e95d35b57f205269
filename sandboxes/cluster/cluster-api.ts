import { setTimeout as delay } from "node:timers/promises";
import { ApiException, CoreV1Api, KubeConfig, type V1Node } from "@kubernetes/client-node";
import type { ContainerState } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { Patience } from "./patience.ts";

/** @param timeoutMs ends each request of its clients; they themselves would collect an answer for ever. */
export function loadKubeconfig(kubeconfig: string, timeoutMs?: number): KubeConfig {
  const config = timeoutMs === undefined ? new KubeConfig() : new ImpatientConfig(timeoutMs);
  config.loadFromString(kubeconfig);
  return config;
}

/** Its clients ask it for credentials once for each request, which is where a request can be given a signal. */
class ImpatientConfig extends KubeConfig {
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    super();
    this.#timeoutMs = timeoutMs;
  }

  override async applySecurityAuthentication(
    request: Parameters<KubeConfig["applySecurityAuthentication"]>[0],
  ): Promise<void> {
    await super.applySecurityAuthentication(request);
    request.setSignal(AbortSignal.timeout(this.#timeoutMs));
  }
}

/** HTTP status of a refused API call; `undefined` when it got no answer. */
export function apiStatus(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/** Gives an API call of one or more requests up after `timeoutMs`, with words that tell why. */
export async function withDeadline<T>(timeoutMs: number, call: Promise<T>): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      call,
      delay(timeoutMs, undefined, { signal: timer.signal, ref: false }).then(() => {
        throw new LabError("timed_out", `the Kubernetes API gave no answer within ${timeoutMs / 1000} s`);
      }),
    ]);
  } finally {
    timer.abort();
    call.catch(() => {});
  }
}

/**
 * Whether a node's kubelet says it is Ready, and has said so since its container was started: for most of a minute
 * after a node died the API still tells what it last heard.
 */
export function isReady(node: V1Node, startedAt: Date | undefined): boolean {
  const condition = (node.status?.conditions ?? []).find(({ type }) => type === "Ready");
  // Kubernetes cuts times to whole seconds.
  const since = Math.floor((startedAt?.getTime() ?? 0) / 1000) * 1000;
  return condition?.status === "True" && (condition.lastHeartbeatTime?.getTime() ?? 0) >= since;
}

export interface NodesWait {
  /** The containers of all nodes there must be. */
  containers: readonly Pick<ContainerState, "name" | "startedAt">[];
  patience: Pick<Patience, "readyMs" | "answerMs">;
  signal: AbortSignal;
}

/**
 * Waits until every node is Ready and a pod can be created, for which its namespace needs a ServiceAccount.
 * @throws LabError `timed_out` with what was missing, `aborted`
 */
export async function waitForNodes(kubeconfig: string, wait: NodesWait): Promise<void> {
  const { readyMs, answerMs } = wait.patience;
  const core = loadKubeconfig(kubeconfig, answerMs).makeApiClient(CoreV1Api);
  const deadline = performance.now() + readyMs;
  let missing = "the API does not answer";
  for (;;) {
    if (wait.signal.aborted) throw new LabError("aborted", "waiting for the nodes was interrupted");
    try {
      const { items } = await withDeadline(answerMs, core.listNode());
      const { containers } = wait;
      const ready = containers.filter(({ name, startedAt }) =>
        items.some((node) => node.metadata?.name === name && isReady(node, startedAt)),
      );
      missing = `${ready.length} of ${containers.length} nodes are Ready`;
      if (ready.length === containers.length) {
        missing = "namespace `default` has no ServiceAccount yet";
        await withDeadline(
          answerMs,
          core.readNamespacedServiceAccount({ namespace: "default", name: "default" }),
        );
        return;
      }
    } catch (error) {
      if (apiStatus(error) === undefined) missing = "the API does not answer";
    }
    if (performance.now() > deadline)
      throw new LabError("timed_out", `the cluster was not ready within ${readyMs / 1000} s: ${missing}`, {
        hint: "the host may be short of memory or CPU; try again, or reset the lab",
      });
    await delay(200, undefined, { signal: wait.signal }).catch(() => {});
  }
}
