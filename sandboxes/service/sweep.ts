import type { Engine } from "../engine/engine.ts";
import { machineContainer } from "../machine/names.ts";
import { LABELS } from "../sandbox.ts";

/** kind puts this label on its nodes; it takes none of ours. */
const KIND_LABEL = "io.x-k8s.kind.cluster";

const CLUSTER_NAME = /^fb-(.+)$/;

/**
 * Removes every container of one sandbox, its nodes included. What is not there is fine. The machine's is removed by its
 * name too: when it went in an earlier try, its volume may still be there.
 */
export async function sweepContainers(engine: Engine, sandboxId: string): Promise<void> {
  const [ours, nodes] = await Promise.all([
    engine.listContainers({ [LABELS.sandbox]: sandboxId }),
    engine.listContainers({ [KIND_LABEL]: `fb-${sandboxId}` }),
  ]);
  const names = new Set([...ours, ...nodes].map(({ name }) => name).concat(machineContainer(sandboxId)));
  await Promise.all([...names].map((name) => engine.removeContainer(name)));
}

/**
 * Ids of all sandboxes of this installation of which anything is left: from the labels of networks and containers. A
 * node counts by the network it is on, since kind's label does not tell the installation.
 */
export async function findSandboxIds(engine: Engine, installation: string): Promise<Set<string>> {
  const [networks, containers] = await Promise.all([
    engine.listNetworks({ [LABELS.installation]: installation }),
    engine.listContainers({ [LABELS.installation]: installation }),
  ]);
  const ids = new Set<string>();
  for (const { labels } of [...networks, ...containers]) {
    const id = labels[LABELS.sandbox];
    if (id) ids.add(id);
  }
  return ids;
}

/** The sandbox a container belongs to, by our label or kind's. */
export function sandboxIdOf(labels: Record<string, string>): string | undefined {
  return labels[LABELS.sandbox] ?? CLUSTER_NAME.exec(labels[KIND_LABEL] ?? "")?.[1];
}
