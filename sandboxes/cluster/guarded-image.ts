import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { docker, imageExists, removeContainer } from "../images/docker-command.ts";
import { imageLabel } from "../images/image-recipe.ts";
import { GUARD_RAIL_FILES } from "./guard-rails/node-files.ts";
import { KILLED_PODS_FILES } from "./killed-pods.ts";

const FILES = { ...GUARD_RAIL_FILES, ...KILLED_PODS_FILES };

/**
 * The node image with the API server's own guard rails, and what brings a killed node back, as one more layer, for the
 * published image and the built one alike. Made once per node image and set of files, in a second or two.
 * @returns `footbridge/node-guarded:<key>`
 */
export async function ensureGuardedImage(
  deps: { env: Record<string, string> },
  nodeImage: string,
  signal: AbortSignal,
): Promise<string> {
  const options = { timeoutMs: 120_000, signal };
  const inspect = ["image", "inspect", "--format", "{{.Id}}", nodeImage];
  const { stdout: baseId } = await docker(deps, inspect, options);
  const key = createHash("sha256").update(JSON.stringify([baseId, FILES]));
  const image = `footbridge/node-guarded:${key.digest("hex").slice(0, 12)}`;
  if (await imageExists(deps, image)) return image;

  const name = `fb-build-node-guarded-${randomBytes(4).toString("hex")}`;
  const folder = await mkdtemp(join(tmpdir(), "footbridge-node-"));
  try {
    for (const [file, content] of Object.entries(FILES)) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode: 0o644 });
    }
    await docker(deps, ["create", "--name", name, "--label", "footbridge=build", nodeImage], options);
    await docker(deps, ["cp", `${folder}/.`, `${name}:/`], options);
    const label = ["--change", `LABEL ${imageLabel}=node-guarded footbridge=image`];
    await docker(deps, ["commit", ...label, name, image], options);
    return image;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await removeContainer(deps, name);
  }
}
