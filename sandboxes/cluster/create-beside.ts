import { type SandboxReport, step } from "../progress.ts";
import type { ClusterSpec } from "./cluster.ts";
import { waitForNodes } from "./cluster-api.ts";
import { applyGuardRails, proveGuardRails, removeBootstrapTokens } from "./guard-rails/apply.ts";
import { ensureGuardedImage } from "./guarded-image.ts";
import { nodeContainers } from "./inspect-cluster.ts";
import { KindCluster } from "./kind-cluster.ts";
import { kindConfig } from "./kind-config.ts";
import { serverOf, withServer } from "./kubeconfig.ts";
import { mintLearnerKubeconfig } from "./learner-access.ts";
import { toolboxName } from "./names.ts";
import type { NodeHost } from "./node-host.ts";
import { PATIENCE } from "./patience.ts";
import { runKind } from "./run-kind.ts";
import { containerPlace, keepKubeconfig, startToolbox } from "./toolbox.ts";

/**
 * A cluster of containers of the lab host. What can be done while kind works is done then: the toolbox starts, the
 * nodes get their limits as soon as they run, the learner's role and the policies go in as soon as the API server
 * answers. The learner's kubeconfig is handed over last, when the guard rails have been seen to hold.
 */
export async function createBeside(
  host: NodeHost,
  spec: ClusterSpec,
  report: SandboxReport,
  signal: AbortSignal,
): Promise<KindCluster> {
  const { engine } = host;
  const place = containerPlace(engine, toolboxName(spec.sandboxId));
  const cluster = new KindCluster(spec, host, place);
  const image = await ensureGuardedImage({ env: host.env }, spec.nodeImage, signal);
  const config = kindConfig(spec, await engine.info());

  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const nodes = Promise.withResolvers<void>();
  const api = Promise.withResolvers<void>();
  const kind = runKind(host, spec, {
    image,
    config,
    report,
    signal: either,
    onNodes: nodes.resolve,
    onApi: api.resolve,
  });
  const rails = async () => {
    await api.promise;
    return await step(report, "guard rails", async () => {
      const admin = await cluster.kubeconfig("admin");
      const [learner] = await Promise.all([
        mintLearnerKubeconfig({ engine }, spec.sandboxId),
        applyGuardRails(admin),
      ]);
      await proveGuardRails(withServer(learner, serverOf(admin).origin), either);
      // Workers join with the bootstrap token.
      await kind;
      await removeBootstrapTokens(admin);
      return learner;
    });
  };
  const ready = async () => {
    await kind;
    await step(report, "nodes ready", async () => {
      const containers = await nodeContainers(engine, spec.sandboxId);
      const wait = { containers, patience: PATIENCE.beside, signal: either };
      await waitForNodes(await cluster.kubeconfig("admin"), wait);
    });
  };
  const limits = nodes.promise.then(() => limitNodes(host, spec));
  const parts = [rails(), kind, ready(), limits, startToolbox({ engine }, spec)] as const;
  try {
    const [learner] = await Promise.all(parts);
    await keepKubeconfig(place, learner);
    return cluster;
  } catch (error) {
    // The others end too, and nobody goes on waiting for nodes or an API that never come.
    failure.abort();
    nodes.reject(error);
    api.reject(error);
    await Promise.allSettled(parts);
    throw error;
  }
}

/** kind knows no limits, so its nodes get them once they run. */
async function limitNodes({ engine }: NodeHost, { sandboxId, limits }: ClusterSpec): Promise<void> {
  const { nodeMemoryMib: memoryMib, nodeCpus: cpus, nodePids: pids } = limits;
  const nodes = await nodeContainers(engine, sandboxId);
  await Promise.all(nodes.map(({ name }) => engine.limitContainer(name, { memoryMib, cpus, pids })));
}
