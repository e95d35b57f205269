import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { type Report, step } from "../progress.ts";
import { docker, imageExists, removeContainer } from "./docker-command.ts";
import { imageLabel } from "./image-recipe.ts";

export interface CourseImagesDeps {
  /** Which Docker to work at. */
  dockerEnv: Record<string, string>;
  report: Report;
  signal?: AbortSignal | undefined;
}

/** What an import takes at most; the container it happens in lives no longer. */
const LIFETIME_SECONDS = 1_800;

const importScript = fileURLToPath(new URL("node/course-images.sh", import.meta.url));

/**
 * Puts the course's images into a node image, so that pods start from them without any registry: the published node
 * image and the built one alike. The result is `footbridge/node:<key>` and made once per set of inputs.
 * @param base a kind node image at the endpoint; `baseKey` stands for its content.
 * @param tars files as `docker save` writes them. Single-layer images are unpacked, so that their first pod starts at
 *   once; others are unpacked by that pod.
 * @throws LabError `image_failed`.
 */
export async function withCourseImages(
  deps: CourseImagesDeps,
  base: { image: string; baseKey: string },
  tars: readonly string[],
): Promise<string> {
  const hash = createHash("sha256").update(`node 1\n${base.baseKey}\n`);
  for (const file of [importScript, ...tars]) hash.update(`${await fileDigest(file)}\n`);
  const image = `footbridge/node:${hash.digest("hex").slice(0, 12)}`;
  if (await imageExists({ env: deps.dockerEnv }, image)) return image;
  await step(deps.report, "put the course's images into the node", async () => {
    try {
      await importAndCommit(deps, base.image, tars, image);
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "command_failed") throw error;
      throw new LabError(
        "image_failed",
        `could not put the course's images into the node: ${error.message}`,
        {
          hint: "each tar must be one that `docker save` wrote",
          cause: error,
        },
      );
    }
  });
  return image;
}

/**
 * containerd's overlay snapshots can't be made on a container's own overlay, so the import happens on a volume, and
 * what is new there is copied into the container that becomes the image. Its name is this process's own: two that
 * make the same image don't disturb each other, and a container whose owner was killed goes away by itself.
 */
async function importAndCommit(
  deps: CourseImagesDeps,
  base: string,
  tars: readonly string[],
  image: string,
): Promise<void> {
  const name = `fb-build-${image.replace(/\W/g, "-")}-${process.pid}`;
  const call = async (...args: string[]) =>
    await docker({ env: deps.dockerEnv }, args, { timeoutMs: LIFETIME_SECONDS * 1_000, signal: deps.signal });
  const remove = async () => await removeContainer({ env: deps.dockerEnv }, name);
  const flags = ["--privileged", "--network", "none", "--label", "footbridge=build", "--entrypoint", "sleep"];
  await remove();
  try {
    const volume = ["--mount", "type=volume,destination=/staging"];
    await call("run", "-d", "--rm", "--name", name, ...flags, ...volume, base, String(LIFETIME_SECONDS));
    await call("cp", importScript, `${name}:/course-images.sh`);
    for (const [index, tar] of tars.entries()) await call("cp", "-L", tar, `${name}:/course-${index}.tar`);
    await call("exec", name, "bash", "/course-images.sh");
    const changes = [
      `LABEL ${imageLabel}=node footbridge=image`,
      'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
      "CMD []",
    ];
    await call("commit", ...changes.flatMap((change) => ["--change", change]), name, image);
  } finally {
    await remove();
  }
}

async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) hash.update(chunk);
  });
  return hash.digest("hex");
}
