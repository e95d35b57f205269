import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { kindNodeConfig } from "../../sandboxes/images/kind-node-config.ts";
import type { NodeImage } from "../../sandboxes/images/node-image.ts";
import { type RunResult, run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { freeSubnet } from "../support/free-subnet.ts";

/** A bare kind cluster of a node image, for tests of the image itself. */
export interface NodeCluster extends AsyncDisposable {
  /** Node containers: control plane first. */
  readonly nodes: readonly string[];
  kubectl(...args: string[]): Promise<string>;
  apply(...manifests: unknown[]): Promise<void>;
  /** Runs busybox in a pod; a command that fails there is an answer. */
  inPod(pod: string, ...command: string[]): Promise<RunResult>;
  addressOf(pod: string): Promise<string>;
  /** What a web pod, or a Service, answers to the pod; nothing where it can't be reached. */
  fetchFrom(pod: string, host: string): Promise<string>;
  canFetch(pod: string, host: string): Promise<boolean>;
  /** The address that the pod finds for a name. */
  resolve(pod: string, host: string): Promise<string>;
  /** Stops and starts nodes and waits until every web pod of theirs was started anew and all pods are Ready. */
  restart(...nodes: string[]): Promise<void>;
}

interface WebPodStatus {
  spec: { nodeName: string };
  status: { containerStatuses: { ready: boolean; restartCount: number }[] };
}

/** Creates one on a network of its own, removed with it. */
export async function createNodeCluster(
  node: NodeImage,
  options: { name: string; nodes: number },
): Promise<NodeCluster> {
  const { name } = options;
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  const kubeconfig = join(folder, "kubeconfig");
  const env = { KIND_EXPERIMENTAL_DOCKER_NETWORK: name };
  const remove = async () => {
    await run([node.kindBinary, "delete", "cluster", "--name", name], { timeoutMs: 120_000, env });
    await run(["docker", "network", "rm", name], { timeoutMs: 60_000, okExitCodes: [1] });
    await rm(folder, { recursive: true, force: true });
  };
  const workers = Array.from({ length: options.nodes - 1 }, () => ({ role: "worker" }));
  const config = {
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    ...kindNodeConfig({
      kubernetesVersion: node.kubernetesVersion,
      controlPlaneArgs: { apiServer: { v: "1" } },
    }),
    nodes: [{ role: "control-plane" }, ...workers],
  };
  const kubectl = async (args: readonly string[], input?: string, okExitCodes: number[] = []) =>
    await run([node.kubectlBinary, "--kubeconfig", kubeconfig, ...args], {
      timeoutMs: 180_000,
      okExitCodes,
      ...(input === undefined ? {} : { input }),
    });
  try {
    await writeFile(join(folder, "kind.yaml"), stringify(config));
    await using engine = new DockerEngine();
    const subnet = await freeSubnet(engine);
    await run(["docker", "network", "create", "--subnet", subnet, name], { timeoutMs: 60_000 });
    const create = ["create", "cluster", "--name", name, "--image", node.image, "--wait", "5m"];
    const files = ["--config", join(folder, "kind.yaml"), "--kubeconfig", kubeconfig];
    await run(["nice", node.kindBinary, ...create, ...files], { timeoutMs: 900_000, env });
  } catch (error) {
    await remove();
    throw error;
  }
  const cluster: NodeCluster = {
    nodes: [`${name}-control-plane`, ...workers.map((_, index) => `${name}-worker${index || ""}`)],
    kubectl: async (...args) => (await kubectl(args)).stdout,
    apply: async (...manifests) => {
      await kubectl(
        ["apply", "-f", "-"],
        JSON.stringify({ kind: "List", apiVersion: "v1", items: manifests }),
      );
    },
    inPod: async (pod, ...command) =>
      await kubectl(["exec", pod, "--", "/bin/busybox", ...command], undefined, [1]),
    addressOf: async (pod) => await cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}"),
    fetchFrom: async (pod, host) =>
      (await cluster.inPod(pod, "wget", "-qO-", "-T", "3", `http://${host}:8080/`)).stdout,
    canFetch: async (pod, host) => (await cluster.fetchFrom(pod, host)) !== "",
    async resolve(pod, host) {
      // By busybox's own resolver: a static binary alone in its image can't use the system's.
      const { stdout } = await cluster.inPod(pod, "nslookup", "-type=a", host);
      const [, address] = /Name:.*\n+Address: (\S+)/.exec(stdout) ?? [];
      if (!address) throw new Error(`\`${pod}\` could not resolve \`${host}\`: ${stdout}`);
      return address;
    },
    async restart(...nodes) {
      const starts = async () => {
        const { items } = JSON.parse(await cluster.kubectl("get", "pods", "-o", "json", "-l", "app=web"));
        return (items as WebPodStatus[])
          .filter((pod) => nodes.includes(pod.spec.nodeName))
          .map((pod) => {
            const [container] = pod.status.containerStatuses;
            return container?.ready ? container.restartCount : -1;
          });
      };
      const before = await starts();
      await run(["docker", "stop", ...nodes], { timeoutMs: 120_000 });
      await run(["docker", "start", ...nodes], { timeoutMs: 120_000 });
      await poll(
        async () => {
          try {
            const now = await starts();
            return now.length === before.length && now.every((count, index) => count > (before[index] ?? 0));
          } catch {
            // The API server is coming back.
            return false;
          }
        },
        "the pods started anew",
        { timeoutMs: 180_000, pauseMs: 500 },
      );
      await cluster.kubectl(
        "wait",
        "--for=condition=Ready",
        "nodes,pods",
        "--all",
        "--all-namespaces",
        "--timeout=170s",
      );
    },
    [Symbol.asyncDispose]: remove,
  };
  return cluster;
}
