import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import type { ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { createKindDriver } from "../../sandboxes/cluster/kind-driver.ts";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { createImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { ensureKindCommand } from "../../sandboxes/images/node-image-kind.ts";
import { createSandboxNetwork, networkName } from "../../sandboxes/network/subnets.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { builtImage } from "../support/built-image.ts";
import { podManifest } from "../support/manifests.ts";

export const RANGE = { range: "10.214.0.0/20", piecePrefix: 27 };

export interface ClusterParts extends AsyncDisposable {
  engine: Engine;
  driver: ReturnType<typeof createKindDriver>;
  /** A sandbox with its network, and what a cluster in it is made of. */
  newSpec(options?: { nodes?: number; sandboxId?: string; egress?: boolean }): Promise<ClusterSpec>;
}

export const LOCAL_DOCKER = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";

/**
 * All that a cluster beside is made with, at the local Docker. Disposing removes networks and whatever is left.
 * @param installation whose firewall concerns it, where there is one.
 */
export async function clusterParts(
  dockerHost = LOCAL_DOCKER,
  installation = "cluster-tests",
): Promise<ClusterParts> {
  const engine = new DockerEngine({ dockerHost });
  const [nodeImage, toolboxImage] = await Promise.all([builtImage("node"), builtImage("toolbox")]);
  const readVersion = ["docker", "run", "--rm", "--entrypoint=cat", nodeImage, "/kind/version"] as const;
  const kubernetesVersion = (await run(readVersion, { timeoutMs: 60_000 })).stdout.trim();
  const builder = await createImageBuilder({
    env: process.env,
    paths: hostPaths(process.env),
    report: () => {},
  });
  const kindBinary = await ensureKindCommand(builder, process.env);
  const made: string[] = [];
  return {
    engine,
    driver: createKindDriver({ engine, engineAt: (host) => new DockerEngine({ dockerHost: host }) }),
    async newSpec({ egress = false, nodes = 1, sandboxId = `t${randomBytes(3).toString("hex")}` } = {}) {
      const labels = { [LABELS.sandbox]: sandboxId, [LABELS.installation]: installation };
      const { name } = await createSandboxNetwork(
        { engine },
        { ...RANGE, sandboxId, installation, egress, labels },
      );
      made.push(sandboxId);
      return {
        sandboxId,
        placement: "beside",
        endpoint: {
          dockerHost,
          env: {},
          network: name,
        },
        nodeImage,
        kindBinary,
        kubernetesVersion,
        enforcesNetworkPolicy: true,
        toolboxImage,
        nodes,
        limits: { nodeMemoryMib: 2560, nodeCpus: 2, nodePids: 4096 },
        labels,
      };
    },
    async [Symbol.asyncDispose]() {
      for (const id of made) {
        for (const { name } of await partsOf(engine, id)) await engine.removeContainer(name);
        await engine.removeNetwork(`fb-${id}`);
      }
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** Every container that belongs to a sandbox, by our label or kind's. */
export async function partsOf(engine: Engine, sandboxId: string) {
  return [
    ...(await engine.listContainers({ [LABELS.sandbox]: sandboxId })),
    ...(await engine.listContainers({ "io.x-k8s.kind.cluster": `fb-${sandboxId}` })),
  ];
}

/** Everything in Docker that belongs to a sandbox: containers, network, volumes. */
export async function leftOf(engine: Engine, sandboxId: string): Promise<string[]> {
  const containers = (await partsOf(engine, sandboxId)).map(({ name }) => name);
  const networks = (await engine.listNetworks({})).filter(({ name }) => name === networkName(sandboxId));
  const list = ["docker", "volume", "ls", "-q", "--filter", `label=${LABELS.sandbox}=${sandboxId}`] as const;
  const volumes = (await run(list, { timeoutMs: 20_000 })).stdout;
  return [...containers, ...networks.map(({ name }) => name), ...volumes.split("\n").filter(Boolean)];
}

/** The image of kind's volume helper is in every node and has a shell. */
export async function podImage(engine: Engine, sandboxId: string): Promise<string> {
  const { stdout } = await engine.exec(
    `fb-${sandboxId}-control-plane`,
    ["ctr", "--namespace=k8s.io", "images", "ls", "-q"],
    { timeoutMs: 30_000 },
  );
  const image = stdout.split("\n").find((name) => name.includes("/local-path-helper:"));
  if (!image) throw new Error("the node has no local-path-helper image");
  return image;
}

export const HELLO_NODE_PORT = 30_080;

/** A pod `hello` that answers any request by HTTP with `hello`, and its Service of type NodePort. */
export function helloOnNodePort(image: string): string {
  const script = "mkdir /www && echo hello >/www/index.html && exec /bin/busybox httpd -f -p 8080 -h /www";
  const pod = podManifest("hello", { image, script });
  const ports = [{ port: 80, targetPort: 8080, nodePort: HELLO_NODE_PORT }];
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "hello" },
    spec: { type: "NodePort", selector: { app: "hello" }, ports },
  };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod, service] });
}

/** Asks by HTTP over a connection made by whoever; the whole answer. */
export async function askHello(connection: Duplex): Promise<string> {
  connection.write("GET / HTTP/1.0\r\n\r\n");
  try {
    return await text(connection);
  } finally {
    connection.destroy();
  }
}
