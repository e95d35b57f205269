import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { LabError } from "../errors.ts";
import { docker, pipeCommands } from "./docker-command.ts";
import { type BuiltImage, type ImageRecipe, imageLabel } from "./image-recipe.ts";

/** Takes what `build.sh` left in its container over: files to this host, the image to the endpoint, tagged last. */
export async function storeResult(
  context: { dockerEnv: Record<string, string>; signal: AbortSignal | undefined },
  recipe: ImageRecipe,
  image: BuiltImage,
): Promise<void> {
  const { dockerEnv, signal } = context;
  const container = `fb-build-${image.name}-${image.key}`;
  const options = {
    timeoutMs: 20 * 60_000,
    env: { ...dockerEnv, DOCKER_BUILDKIT: "0" },
    signal,
  };
  for (const [path, target] of Object.entries(image.files)) {
    await mkdir(dirname(target), { recursive: true });
    const partial = `${target}.partial-${process.pid}`;
    await rm(partial, { recursive: true, force: true });
    await docker({ env: dockerEnv }, ["cp", `${container}:/out/${path}`, partial], options);
    await rename(partial, target);
  }
  const labels = { [imageLabel]: recipe.name, footbridge: "image" };
  if (recipe.output.kind === "rootfs") {
    const changes = [
      ...Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`),
      ...(recipe.output.changes ?? []),
    ];
    const flags = changes.flatMap((change) => ["--change", change]);
    const source = ["docker", "exec", container, "cat", "/out/rootfs.tar"] as const;
    await pipeCommands([...source], ["docker", "import", ...flags, "-", image.tag], options);
  } else if (recipe.output.kind === "context") {
    const flags = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    const bases = Object.entries(recipe.bases ?? {}).flatMap(([name, base]) => [
      "--build-arg",
      `${name}=${base.tag}`,
    ]);
    const source = ["docker", "exec", container, "tar", "-C", "/out/context", "-cf", "-", "."] as const;
    const tag = ["--tag", image.tag, "--force-rm", "-"];
    await pipeCommands([...source], ["docker", "build", "--quiet", ...flags, ...bases, ...tag], options);
  }
}

/** A failed build in words: the script's last lines, or that the disk is full. */
export function explainBuildFailure(
  error: unknown,
  recipe: ImageRecipe,
  tail: readonly string[],
  log?: string,
): unknown {
  if (error instanceof LabError && !["command_failed", "disk_full"].includes(error.code)) return error;
  const said = tail.slice(-12).join("\n");
  const reason = error instanceof LabError && !said ? error.message : said;
  const words = `${reason}\n${error instanceof Error ? error.message : ""}`;
  if (/no space left on device/i.test(words))
    return new LabError("disk_full", `the disk filled up while building \`${recipe.name}\``, {
      hint: "free some GiB where Docker keeps its data (`docker system df`), then start again: it goes on where it was",
      cause: error,
    });
  const hint = log ? `the whole log is ${log}` : undefined;
  return new LabError("image_failed", `could not build the image \`${recipe.name}\`: ${reason}`, {
    ...(hint ? { hint } : {}),
    cause: error,
  });
}
