import { type DockerCommandDeps, docker } from "../images/docker-command.ts";

const timeoutMs = 10 * 60_000;

/** What Docker holds of ours, or of others. */
export interface DockerContents {
  containers: string[];
  networks: string[];
  volumes: string[];
  images: string[];
}

/**
 * Whether labels (as `docker … --format {{.Labels}}` prints them) are ours: `footbridge`, `footbridge.…`, or kind's
 * label on the nodes of a sandbox's cluster, since kind takes no labels of ours.
 */
export function isOurs(labels: string): boolean {
  return labels
    .split(",")
    .some((label) => /^footbridge(\.[a-z-]+)?=/.test(label) || /^io\.x-k8s\.kind\.cluster=fb-/.test(label));
}

/** Sorts everything at the endpoint into ours and not ours; Docker's own networks are nobody's. */
export async function listDockerContents(
  deps: DockerCommandDeps,
): Promise<{ ours: DockerContents; others: DockerContents }> {
  const list = async (kind: string, flags: string[], format: string) => {
    const { stdout } = await docker(deps, [kind, "ls", ...flags, "--format", format], { timeoutMs: 60_000 });
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("\t"));
  };
  const sort = (rows: string[][]) => ({
    ours: rows.filter(([, labels]) => isOurs(labels ?? "")).map(([name]) => name ?? ""),
    others: rows.filter(([, labels]) => !isOurs(labels ?? "")).map(([name]) => name ?? ""),
  });
  const containers = sort(await list("container", ["--all"], "{{.ID}}\t{{.Labels}}"));
  const networkRows = await list("network", [], "{{.Name}}\t{{.Labels}}");
  const networks = sort(networkRows.filter(([name]) => !["bridge", "host", "none"].includes(name ?? "")));
  const volumes = sort(await list("volume", [], "{{.Name}}\t{{.Labels}}"));
  const ourImages = (await list("image", ["--filter", "label=footbridge"], "{{.ID}}")).flat();
  const allImages = (await list("image", [], "{{.ID}}")).flat();
  const images = {
    ours: [...new Set(ourImages)],
    others: [...new Set(allImages)].filter((id) => !ourImages.includes(id)),
  };
  const pick = (side: "ours" | "others"): DockerContents => ({
    containers: containers[side],
    networks: networks[side],
    volumes: volumes[side],
    images: images[side],
  });
  return { ours: pick("ours"), others: pick("others") };
}

/** Removes containers with their anonymous volumes, then networks, volumes and images. What is gone already is fine. */
export async function removeDockerContents(deps: DockerCommandDeps, contents: DockerContents): Promise<void> {
  const remove = async (kind: string, flags: string[], names: string[]) => {
    if (names.length === 0) return;
    await docker(deps, [kind, "rm", ...flags, ...names], { timeoutMs, okExitCodes: [1] });
  };
  await remove("container", ["--force", "--volumes"], contents.containers);
  await remove("network", [], contents.networks);
  await remove("volume", ["--force"], contents.volumes);
  // An image that others are built on only goes after them.
  for (let pass = 0; pass < 6; pass++) {
    const { ours } = await listDockerContents(deps);
    const left = ours.images.filter((id) => contents.images.includes(id));
    if (left.length === 0) return;
    await remove("image", ["--force"], left);
  }
}
