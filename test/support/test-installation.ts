import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";
import { removeTemplates } from "../../sandboxes/machine/machine-template.ts";
import { removeFirewall } from "../../sandboxes/network/firewall.ts";
import { networkName } from "../../sandboxes/network/subnets.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { sweepContainers } from "../../sandboxes/service/sweep.ts";
import { loadInstallation } from "../../server/installation.ts";
import { freePorts } from "./free-port.ts";
import { adoptKeys, sharedTemplate } from "./shared-template.ts";

/** An installation for a server in a process of its own, which may die at any time. */
export interface TestInstallation extends AsyncDisposable {
  id: string;
  /** Settings to start each of its servers with: state and ports of its own, and no pool. */
  env: Record<string, string>;
}

/**
 * Makes one, whose VMs are copies of the template that tests share unless they are to boot. Disposing of it, once its
 * server is gone, removes what servers left: sandboxes, template, firewall, state.
 * @param change settings that differ, as variables.
 */
export async function makeInstallation(change: Record<string, string> = {}): Promise<TestInstallation> {
  const stateDir = await mkdtemp(join(tmpdir(), "footbridge-test-"));
  if (change.FOOTBRIDGE_VM_TEMPLATE !== "false") await adoptKeys(stateDir, await sharedTemplate());
  const { id } = await loadInstallation(stateDir);
  const [port, vmWebPort, clusterWebPort] = await freePorts(3);
  return {
    id,
    env: {
      FOOTBRIDGE_STATE_DIR: stateDir,
      FOOTBRIDGE_PORT: String(port),
      FOOTBRIDGE_VM_WEB_PORT: String(vmWebPort),
      FOOTBRIDGE_CLUSTER_WEB_PORT: String(clusterWebPort),
      FOOTBRIDGE_POOL_SIZE: "0",
      FOOTBRIDGE_LOG_LEVEL: "warn",
      ...change,
    },
    async [Symbol.asyncDispose]() {
      await sweepInstallation(id);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** Removes what an installation has in Docker and in the host's kernel. */
export async function sweepInstallation(id: string): Promise<void> {
  await using engine = new DockerEngine();
  for (const { labels } of await engine.listNetworks({ [LABELS.installation]: id })) {
    const sandboxId = labels[LABELS.sandbox] ?? "";
    await sweepContainers(engine, sandboxId);
    await engine.removeNetwork(networkName(sandboxId));
  }
  await removeTemplates(engine, id);
  const images = await recallImageSet({ paths: hostPaths(process.env) });
  if (images) await removeFirewall({ engine, image: images.machine }, id);
}
