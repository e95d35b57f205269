import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster, ClusterSpec, DiskUse } from "../../sandboxes/cluster/cluster.ts";
import { measureDisk } from "../../sandboxes/cluster/disk-use.ts";
import { forwardTcpPort } from "../../sandboxes/cluster/docker-forward.ts";
import { serverOf } from "../../sandboxes/cluster/kubeconfig.ts";
import { startToolbox } from "../../sandboxes/cluster/toolbox.ts";
import { machineContainer } from "../../sandboxes/machine/names.ts";
import { run } from "../../sandboxes/run.ts";
import { DiskWatch } from "../../sandboxes/service/disk-watch.ts";
import { describeCluster } from "../contract/cluster-contract.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { deploymentManifest, podManifest } from "../support/manifests.ts";
import { type ClusterParts, clusterParts, LOCAL_DOCKER, partsOf, podImage } from "./cluster-parts.ts";

describeCluster("a kind cluster beside the VM", async () => {
  const parts = await clusterParts();
  const volumesBefore = await volumes();
  return {
    driver: parts.driver,
    newSpec: () => parts.newSpec(),
    async leftOvers(sandboxId) {
      const containers = await partsOf(parts.engine, sandboxId);
      if (containers.length > 0) return containers.map(({ name }) => name);
      // A node's /var is a volume without a name; only the ones that came since count, and that stay: those of other
      // tests' containers are there for a moment, too, while they are removed.
      const before = new Set(volumesBefore);
      let left: string[] = [];
      const isNone = async () => {
        left = (await volumes()).filter((name) => !before.has(name));
        return left.length === 0;
      };
      await poll(isNone, "no volume is left", { timeoutMs: 10_000, pauseMs: 500 }).catch((error) => {
        if (left.length === 0) throw error;
      });
      return left;
    },
    killNode: (name) => parts.engine.stopContainer(name, 0),
    podImage: (sandboxId) => podImage(parts.engine, sandboxId),
    unmakeable: (spec) => ({ ...spec, toolboxImage: "footbridge/none:none" }),
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
});

/** Volumes without a name that no container uses. */
async function volumes(): Promise<string[]> {
  const list = ["docker", "volume", "ls", "--quiet", "--filter", "dangling=true"] as const;
  const { stdout } = await run(list, { timeoutMs: 30_000 });
  return stdout.split("\n").filter((name) => /^[0-9a-f]{64}$/.test(name));
}

describe("a cluster of two nodes beside the VM", () => {
  let parts: ClusterParts;
  let spec: ClusterSpec;
  let cluster: Cluster;
  const steps = new Set<string>();
  const learner = async (line: string, input?: string) =>
    await cluster.place.exec(["sh", "-c", line], {
      timeoutMs: 300_000,
      user: "admin",
      ...(input === undefined ? {} : { input }),
    });

  beforeAll(async () => {
    parts = await clusterParts();
    spec = await parts.newSpec({ nodes: 2 });
    cluster = await parts.driver.create(spec, ({ step }) => steps.add(step), new AbortController().signal);
  });
  afterAll(() => parts?.[Symbol.asyncDispose]());

  it("has both nodes Ready and told of joining", async () => {
    expect([...steps]).toContain("join nodes");
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" }, nodes: [{}, {}] });
  });

  it("limits every node", async () => {
    for (const name of [`fb-${spec.sandboxId}-control-plane`, `fb-${spec.sandboxId}-worker`]) {
      const format = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
      const inspect = ["docker", "inspect", "--format", format, name] as const;
      const { stdout } = await run(inspect, { timeoutMs: 30_000 });
      expect(stdout.trim()).toBe(`${2560 * 2 ** 20} 2000000000 4096`);
    }
    const { stdout } = await learner("kubectl get nodes -o jsonpath='{.items[*].status.allocatable.memory}'");
    for (const memory of stdout.split(" ")) expect(Number.parseInt(memory, 10) / 1024).toBeLessThan(2560);
  });

  it("lets the learner take a node out for maintenance and back, and keeps pods running", async () => {
    const image = await podImage(parts.engine, spec.sandboxId);
    await learner("kubectl apply -f -", spread(image));
    expect((await learner("kubectl rollout status deployment/spread --timeout=120s")).exitCode).toBe(0);
    const worker = `fb-${spec.sandboxId}-worker`;
    const drained = await learner(
      `kubectl drain ${worker} --ignore-daemonsets --delete-emptydir-data --timeout=120s`,
    );
    expect(drained.stdout + drained.stderr).toContain("evicting pod");
    expect(drained.exitCode, drained.stderr).toBe(0);
    const nodes = await learner("kubectl get pods -l app=spread -o jsonpath='{.items[*].spec.nodeName}'");
    expect(nodes.stdout).not.toContain(worker);
    expect((await learner(`kubectl uncordon ${worker}`)).exitCode).toBe(0);
    for (const change of [
      `label node ${worker} disk=fast`,
      `taint node ${worker} team=a:NoSchedule`,
      `taint node ${worker} team-`,
    ])
      expect((await learner(`kubectl ${change}`)).exitCode, change).toBe(0);
  });

  it("says that the shell's container is gone, and repair makes it anew", async () => {
    await parts.engine.removeContainer(`fb-${spec.sandboxId}-toolbox`);
    expect(await cluster.inspect()).toMatchObject({
      state: { phase: "broken", reason: expect.stringContaining("shell") },
    });
    await cluster.repair(() => {}, new AbortController().signal);
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" } });
    expect((await learner("kubectl get nodes")).exitCode).toBe(0);
  });

  it("starts again with both nodes when all of it was stopped", async () => {
    for (const { name } of await partsOf(parts.engine, spec.sandboxId))
      await parts.engine.stopContainer(name, 10_000);
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "broken" } });
    await cluster.repair(() => {}, new AbortController().signal);
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" } });
  });

  it("says that a node is gone and that only a reset helps", async () => {
    await parts.engine.removeContainer(`fb-${spec.sandboxId}-worker`);
    expect(await cluster.inspect()).toMatchObject({
      state: {
        phase: "broken",
        reason: expect.stringContaining("gone"),
        remedy: expect.stringContaining("reset"),
      },
    });
    await expect(cluster.repair(() => {}, new AbortController().signal)).rejects.toMatchObject({
      code: "cluster_failed",
      hint: expect.stringContaining("reset"),
    });
  });

  it("is stopped when it fills its disk, also with a deleted file, and its neighbour goes on", async () => {
    const { engine } = parts;
    const { signal } = new AbortController();
    const neighbour = await parts.newSpec();
    await startToolbox({ engine }, neighbour);
    const halted: string[] = [];
    const watchOf = (one: Cluster, limitMib: number) =>
      new DiskWatch({
        limitMib,
        sandboxes: () => [
          {
            id: one.sandboxId,
            diskUse: () => one.diskUse(signal),
            haltCluster: async (trouble) => {
              halted.push(one.sandboxId);
              await one.halt(trouble);
            },
          },
          {
            id: neighbour.sandboxId,
            diskUse: () => measureDisk({ engine }, neighbour.sandboxId, signal),
            haltCluster: async () => void halted.push(neighbour.sandboxId),
          },
        ],
        freeDiskMib: async () => undefined,
        onTrouble: (error) => expect.soft(error.code, error.message).toBe("disk_full"),
        // Only when the test looks.
        lookEveryMs: 2 ** 30,
      });
    const limitMib = sum(await cluster.diskUse(signal)) + 300;
    using watch = watchOf(cluster, limitMib);
    await watch.look();
    expect(halted).toEqual([]);

    const node = `fb-${spec.sandboxId}-control-plane`;
    const applied = await learner("kubectl apply -f -", filler(await podImage(engine, spec.sandboxId), node));
    expect(applied.exitCode, applied.stderr).toBe(0);
    await poll(async () => sum(await cluster.diskUse(signal)) > limitMib, "both files are written", {
      timeoutMs: 120_000,
      pauseMs: 1_000,
    });
    await watch.look();
    const state = {
      phase: "broken",
      reason: expect.stringMatching(`^it filled its disk: [\\d.]+ of [\\d.]+ GiB \\(node \`${node}\`\\)$`),
      remedy: expect.stringContaining("reset"),
    };
    expect(await cluster.inspect()).toMatchObject({ state, nodes: [{ name: node, ready: false }] });
    const ofBoth = [
      ...(await partsOf(engine, spec.sandboxId)),
      ...(await partsOf(engine, neighbour.sandboxId)),
    ];
    expect(Object.fromEntries(ofBoth.map(({ name, running }) => [name, running]))).toEqual({
      [`fb-${spec.sandboxId}-toolbox`]: false,
      [node]: false,
      [`fb-${neighbour.sandboxId}-toolbox`]: true,
    });
    await expect(cluster.repair(() => {}, signal)).rejects.toMatchObject({ code: "disk_full" });

    // Another lab server knows nothing of that until the node runs again.
    const adopted = await parts.driver.adopt({ ...spec, nodes: 1 });
    if (!adopted) throw new Error("it was not adopted");
    using later = watchOf(adopted, 300);
    const repair = expect(adopted.repair(() => {}, signal)).rejects.toMatchObject({ code: "disk_full" });
    await poll(
      async () => {
        await later.look();
        return (await adopted.inspect()).state.phase === "broken" && halted.length > 1;
      },
      "it is stopped again",
      { timeoutMs: 180_000 },
    );
    await repair;
    expect(new Set(halted)).toEqual(new Set([spec.sandboxId]));
  });
});

describe("a cluster at a Docker that is reached by TCP", () => {
  it("has its API server reached through that Docker", async (context) => {
    if (!LOCAL_DOCKER.startsWith("unix://")) return context.skip("needs a Docker at a unix socket");
    const path = LOCAL_DOCKER.slice("unix://".length);
    await using door = await forwardTcpPort(async () => connect({ path, allowHalfOpen: true }));
    await using parts = await clusterParts(`tcp://${door.address}`);
    const spec = await parts.newSpec();
    // Stands for the VM's container, which is on the sandbox's network.
    await parts.engine.runContainer({
      name: machineContainer(spec.sandboxId),
      image: await builtImage("machine"),
      entrypoint: ["sleep", "infinity"],
      labels: spec.labels,
      network: { name: spec.endpoint.network ?? "none" },
      capabilities: [],
    });
    const cluster = await parts.driver.create(spec, () => {}, new AbortController().signal);
    expect(serverOf(await cluster.kubeconfig("admin")).hostname).toBe("localhost");
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" }, nodes: [{ ready: true }] });
    await cluster.destroy();
  });
});

function sum(parts: DiskUse[]): number {
  return parts.reduce((total, { mib }) => total + mib, 0);
}

const ON_CONTROL_PLANE = { key: "node-role.kubernetes.io/control-plane", operator: "Exists" };

/** Writes 200 MiB twice: into a file, and into one that is deleted while it is open. */
function filler(image: string, node: string): string {
  const write = "dd if=/dev/zero bs=1M count=200";
  const pod = podManifest("filler", {
    image,
    script: `${write} >/data/kept; exec 3>/data/deleted; rm /data/deleted; ${write} >&3; sleep 3600`,
    container: { volumeMounts: [{ name: "data", mountPath: "/data" }] },
    spec: {
      // The other node is gone, but Kubernetes takes its time to notice.
      nodeSelector: { "kubernetes.io/hostname": node },
      tolerations: [ON_CONTROL_PLANE],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  });
  return JSON.stringify(pod);
}

function spread(image: string): string {
  const evenly = {
    maxSkew: 1,
    topologyKey: "kubernetes.io/hostname",
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: { app: "spread" } },
  };
  const spec = { tolerations: [ON_CONTROL_PLANE], topologySpreadConstraints: [evenly] };
  return JSON.stringify(deploymentManifest("spread", 2, { image, script: "sleep 3600", spec }));
}
