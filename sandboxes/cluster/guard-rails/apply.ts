import { setTimeout as delay } from "node:timers/promises";
import {
  CoreV1Api,
  type KubernetesObject,
  KubernetesObjectApi,
  PatchStrategy,
} from "@kubernetes/client-node";
import { LabError } from "../../errors.ts";
import { apiStatus, loadKubeconfig, withDeadline } from "../cluster-api.ts";
import { learnerBindings, learnerRole } from "./learner-role.ts";
import { policies } from "./policies.ts";

const CALL_MS = 30_000;

/** Puts the learner's role and the policies into the cluster, all at once; may be repeated. */
export async function applyGuardRails(adminKubeconfig: string): Promise<void> {
  const api = KubernetesObjectApi.makeApiClient(loadKubeconfig(adminKubeconfig, CALL_MS));
  const objects: KubernetesObject[] = [
    learnerRole,
    ...learnerBindings,
    ...policies.flatMap(({ policy, binding }) => [policy, binding]),
  ];
  const apply = (object: KubernetesObject) =>
    withDeadline(
      CALL_MS,
      api.patch(object, undefined, undefined, "footbridge", true, PatchStrategy.ServerSideApply),
    );
  await Promise.all(objects.map(apply));
}

/**
 * Takes kind's well-known bootstrap token away once the nodes have joined: with it anybody who reaches the API server
 * could have a node's certificate signed.
 */
export async function removeBootstrapTokens(adminKubeconfig: string): Promise<void> {
  const core = loadKubeconfig(adminKubeconfig, CALL_MS).makeApiClient(CoreV1Api);
  await withDeadline(
    CALL_MS,
    core.deleteCollectionNamespacedSecret({
      namespace: "kube-system",
      fieldSelector: "type=bootstrap.kubernetes.io/token",
    }),
  );
}

/**
 * Waits until a learner is really bound by it all: a policy takes effect a moment after it was stored. The learner's
 * own credentials must be good for something harmless, and be refused what each policy refuses.
 * @throws LabError `cluster_failed` when one of them does not hold
 */
export async function proveGuardRails(learnerKubeconfig: string, signal: AbortSignal): Promise<void> {
  const core = loadKubeconfig(learnerKubeconfig, CALL_MS).makeApiClient(CoreV1Api);
  const metadata = { name: "footbridge-probe" };
  const dryRun = "All";
  const allowed = () => core.createNamespacedConfigMap({ namespace: "default", body: { metadata }, dryRun });
  const refused: Record<string, () => Promise<unknown>> = {
    "system namespaces": () =>
      core.createNamespacedConfigMap({ namespace: "kube-system", body: { metadata }, dryRun }),
    "pod security of namespaces": () =>
      core.createNamespace({
        body: { metadata: { ...metadata, labels: { "pod-security.kubernetes.io/enforce": "privileged" } } },
        dryRun,
      }),
    "pods' volumes": () =>
      core.createNamespacedPod({
        namespace: "default",
        body: podWith({ nfs: { server: "x", path: "/" } }),
        dryRun,
      }),
    "pods' view of /proc": () =>
      core.createNamespacedPod({ namespace: "default", body: podWith({ emptyDir: {} }, "Unmasked"), dryRun }),
    "pod security": () =>
      core.createNamespacedPod({ namespace: "default", body: podWith({ hostPath: { path: "/" } }), dryRun }),
  };
  await until(signal, "the learner's credentials", async () => (await statusOf(allowed)) === 200);
  await Promise.all(
    Object.entries(refused).map(([what, attempt]) =>
      until(signal, what, async () => (await statusOf(attempt)) === 403),
    ),
  );
}

function podWith(source: object, procMount = "Default") {
  return {
    metadata: { name: "footbridge-probe" },
    spec: {
      hostUsers: false,
      containers: [{ name: "probe", image: "probe", securityContext: { procMount } }],
      volumes: [{ name: "probe", ...source }],
    },
  };
}

async function statusOf(attempt: () => Promise<unknown>): Promise<number | undefined> {
  try {
    await withDeadline(CALL_MS, attempt());
    return 200;
  } catch (error) {
    return apiStatus(error);
  }
}

async function until(signal: AbortSignal, what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (signal.aborted) throw new LabError("aborted", "putting the guard rails in place was interrupted");
    if (performance.now() > deadline)
      throw new LabError("cluster_failed", `the guard rails of the cluster do not hold: ${what}`, {
        hint: "nobody was let in; the API server's log on the node says more",
      });
    await delay(100, undefined, { signal }).catch(() => {});
  }
}
