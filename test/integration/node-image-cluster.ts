import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { kindNodeConfig } from "../../sandboxes/images/kind-node-config.ts";
import type { NodeImage } from "../../sandboxes/images/node-image.ts";
import { type RunResult, run } from "../../sandboxes/run.ts";
import { freeSubnet } from "../support/free-subnet.ts";

/** A bare kind cluster of a node image, for tests of the image itself. */
export interface NodeCluster extends AsyncDisposable {
  /** Node containers: control plane first. */
  readonly nodes: readonly string[];
  kubectl(...args: string[]): Promise<string>;
  apply(...manifests: unknown[]): Promise<void>;
  /** Runs busybox in a pod; a command that fails there is an answer. */
  inPod(pod: string, ...command: string[]): Promise<RunResult>;
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
  return {
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
    [Symbol.asyncDispose]: remove,
  };
}
