import { setTimeout as delay } from "node:timers/promises";
import { type SandboxReport, step } from "../progress.ts";
import type { Cluster, ClusterDriver, ClusterSpec } from "./cluster.ts";
import { waitForNodes } from "./cluster-api.ts";
import { createBeside } from "./create-beside.ts";
import { nodeContainers } from "./inspect-cluster.ts";
import { KindCluster, removeCluster } from "./kind-cluster.ts";
import { kindConfig } from "./kind-config.ts";
import { withServer } from "./kubeconfig.ts";
import { API_PORT, toolboxName } from "./names.ts";
import { guestPlace, installKubectl, tellNodeNames } from "./nested-guest.ts";
import { guestOf, isGuestOff, type NodeHost, type NodeHostDeps, openNodeHost } from "./node-host.ts";
import { transferImage } from "./node-image-transfer.ts";
import { PATIENCE } from "./patience.ts";
import { runKind } from "./run-kind.ts";
import { containerPlace, keepKubeconfig, keptKubeconfig } from "./toolbox.ts";

export type KindDriverDeps = NodeHostDeps;

/** Clusters by the kind CLI, beside the VM or in it. */
export function createKindDriver(deps: KindDriverDeps): ClusterDriver {
  return {
    async create(spec, report, signal) {
      const host = await openNodeHost(deps, spec);
      try {
        const create = spec.placement === "beside" ? createBeside : createNested;
        return await create(host, spec, report, signal);
      } catch (error) {
        await removeWhatAppears(host, spec);
        await host[Symbol.asyncDispose]();
        throw error;
      }
    },
    async adopt(spec, { wasFinished } = { wasFinished: false }) {
      const host = await openNodeHost(deps, spec);
      const cluster = await adopt(host, spec, wasFinished).catch(async (error: unknown) => {
        await host[Symbol.asyncDispose]();
        throw error;
      });
      if (!cluster) await host[Symbol.asyncDispose]();
      return cluster;
    },
  };
}

async function createNested(
  host: NodeHost,
  spec: ClusterSpec,
  report: SandboxReport,
  signal: AbortSignal,
): Promise<Cluster> {
  const place = placeOf(host, spec);
  const cluster = new KindCluster(spec, host, place);
  const { dockerHost, env } = spec.endpoint;
  const dockers = { from: { ...env, DOCKER_HOST: dockerHost }, to: host.env };
  await step(report, "load node image", () =>
    transferImage(dockers, spec.nodeImage, { step: "load node image", report, signal }),
  );
  const config = kindConfig(spec, await host.engine.info());
  await runKind(host, spec, { image: spec.nodeImage, config, report, signal });
  await step(report, "nodes ready", async () => {
    const containers = await nodeContainers(host.engine, spec.sandboxId);
    const wait = { containers, patience: PATIENCE.nested, signal };
    await waitForNodes(await cluster.kubeconfig("admin"), wait);
    await tellNodeNames(place, containers);
  });
  // The whole sandbox is one VM: its learner is root and administrator.
  await step(report, "guard rails", async () => {
    await installKubectl(place, spec.sandboxId);
    const published = await cluster.publishedKubeconfig();
    await keepKubeconfig(place, withServer(published, `https://localhost:${API_PORT}`));
  });
  return cluster;
}

/** What exists and was finished. A stopped toolbox, as Docker leaves it after a restart, is started to be asked. */
async function adopt(host: NodeHost, spec: ClusterSpec, wasFinished: boolean): Promise<Cluster | undefined> {
  const place = placeOf(host, spec);
  const cluster = new KindCluster(spec, host, place);
  // Nothing can be asked of a VM that is off; that its disk holds the cluster is for its owner to know.
  if (await isGuestOff(spec)) return cluster;
  const nodes = await nodeContainers(host.engine, spec.sandboxId);
  if (nodes.length === 0) return undefined;
  if (wasFinished) return cluster;
  if (spec.placement === "beside") {
    const toolbox = await host.engine.inspectContainer(toolboxName(spec.sandboxId));
    if (toolbox && !toolbox.running) await host.engine.startContainer(toolbox.name);
  }
  return (await keptKubeconfig(place)) === undefined ? undefined : cluster;
}

function placeOf(host: NodeHost, spec: ClusterSpec) {
  if (spec.placement === "beside") return containerPlace(host.engine, toolboxName(spec.sandboxId));
  return guestPlace(guestOf(spec));
}

/** A kind that was interrupted leaves `docker run` commands behind that may still make a node: look until none comes. */
async function removeWhatAppears(host: NodeHost, spec: ClusterSpec): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    const nodes = await nodeContainers(host.engine, spec.sandboxId).catch(() => []);
    if (nodes.length > 0) quiet = 0;
    await removeCluster(host, spec);
    await delay(500);
  }
}
