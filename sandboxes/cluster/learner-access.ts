import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { LEARNER } from "./guard-rails/learner-role.ts";
import { controlPlaneName } from "./names.ts";

/**
 * A kubeconfig for the learner: a client certificate that kubeadm signs on the control-plane node with the cluster's
 * own CA. Next to the CertificateSigningRequest API this needs no API server yet, no approval and one call; next to a
 * ServiceAccount's token it gives a user with a name, as on any cluster the learner will meet. The certificate is good
 * for a year and dies with the cluster. Its server is the node's name on the sandbox's network.
 */
export async function mintLearnerKubeconfig(deps: { engine: Engine }, sandboxId: string): Promise<string> {
  const argv = [
    ...["kubeadm", "kubeconfig", "user", "--config=/kind/kubeadm.conf"],
    ...[`--client-name=${LEARNER.user}`, `--org=${LEARNER.group}`],
  ];
  const result = await deps.engine.exec(controlPlaneName(sandboxId), argv, { timeoutMs: 60_000 });
  if (result.exitCode !== 0)
    throw new LabError("cluster_failed", `could not make the learner's certificate: ${result.stderr}`);
  return result.stdout;
}
