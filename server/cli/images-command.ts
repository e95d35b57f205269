import { ensureDockerHost } from "../../sandboxes/host/docker-host.ts";
import { loadImages, saveImages } from "../../sandboxes/images/image-bundle.ts";
import { ensureImages } from "../../sandboxes/images/image-set.ts";
import { loadSettings } from "../load-settings.ts";
import { labHost } from "./lab-host.ts";
import { labsDir } from "./places.ts";
import { createProgressPrinter } from "./progress-printer.ts";

/** `footbridge images build`: builds or pulls what is missing and names what there is. */
export async function buildImages(): Promise<void> {
  const { deps, registry } = await prepare();
  const { machine, toolbox, node } = await ensureImages(deps, { labsDir, registry });
  const policies = node.enforcesNetworkPolicy ? "enforced" : "not enforced";
  process.stdout.write(
    `machine  ${machine}\ntoolbox  ${toolbox}\nnode     ${node.image} (${node.source}, Kubernetes ${node.kubernetesVersion}, network policies ${policies})\n`,
  );
}

/** `footbridge images save <file>`: everything a host without a network needs, as one file. */
export async function saveAllImages(file: string): Promise<void> {
  const { deps, registry } = await prepare();
  await saveImages(deps, await ensureImages(deps, { labsDir, registry }), file);
}

/** `footbridge images load <file>` */
export async function loadAllImages(file: string): Promise<void> {
  const { deps } = await prepare();
  await loadImages(deps, { labsDir }, file);
}

async function prepare() {
  const settings = await loadSettings(process.env);
  const deps = { ...labHost(settings, process.env), report: createProgressPrinter(process.stdout) };
  await ensureDockerHost(deps, { consent: false });
  return { deps, registry: settings.registry };
}
