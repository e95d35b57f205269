import type { ContainerState } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { Machine } from "../machine/machine.ts";
import type { Place } from "../place.ts";
import { controlPlaneName } from "./names.ts";
import { addressOf } from "./node-host.ts";

/** Nested, the learner's `cluster` shell is one in the VM. */
export function guestPlace({ place }: Machine): Place {
  return {
    role: "cluster",
    exec: (argv, options) => place.exec(argv, options),
    stream: (argv, options) => place.stream(argv, options),
    writeFile: (path, content, options) => place.writeFile(path, content, options),
    readFile: (path, options) => place.readFile(path, options),
  };
}

/** Lets the VM reach its nodes by their names, as it does beside. The hosts file is written anew at each of its boots. */
export async function tellNodeNames(place: Place, nodes: readonly ContainerState[]): Promise<void> {
  const lines = nodes.flatMap((node) => addressOf(node)?.concat(` ${node.name} # node`) ?? []).join("\n");
  const script =
    '{ sed "/ # node$/d" /etc/hosts; printf "%s\\n" "$1"; } >/etc/hosts.new && mv -f /etc/hosts.new /etc/hosts';
  const { exitCode, stderr } = await place.exec(["sh", "-c", script, "sh", lines], {
    timeoutMs: 60_000,
    user: "root",
  });
  if (exitCode !== 0)
    throw new LabError("cluster_failed", `could not tell the VM its nodes' names: ${stderr.trim()}`);
}

/** Gives the VM the cluster's own kubectl, unless the guest has one. */
export async function installKubectl(place: Place, sandboxId: string): Promise<void> {
  const script = 'command -v kubectl >/dev/null || docker cp "$1:/usr/bin/kubectl" /usr/local/bin/kubectl';
  const { exitCode, stderr } = await place.exec(["sh", "-c", script, "sh", controlPlaneName(sandboxId)], {
    timeoutMs: 300_000,
    user: "root",
  });
  if (exitCode !== 0)
    throw new LabError("cluster_failed", `could not put kubectl into the VM: ${stderr.trim()}`);
}
