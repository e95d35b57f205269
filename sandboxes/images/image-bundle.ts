import { chmod, copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { LabError } from "../errors.ts";
import { step } from "../progress.ts";
import { run } from "../run.ts";
import { docker, pipeCommands } from "./docker-command.ts";
import { dockerEnvironment } from "./image-builder.ts";
import {
  type ImageSet,
  type ImageSetDeps,
  imageSetSchema,
  imageSourcesKey,
  isWhole,
  rememberImageSet,
} from "./image-set.ts";
import { tellMib } from "./tell-mib.ts";

const hourMs = 3_600_000;

/**
 * Writes all images and binaries to one file, for a host that reaches no registry at all.
 * @throws LabError `disk_full` or `command_failed`.
 */
export async function saveImages(deps: ImageSetDeps, images: ImageSet, file: string): Promise<void> {
  const target = resolve(file);
  await mkdir(dirname(target), { recursive: true });
  // Beside the target: it is where there has to be room anyway.
  const work = await mkdtemp(join(dirname(target), ".footbridge-images-"));
  const options = { timeoutMs: hourMs, signal: deps.signal };
  try {
    const archive = join(work, "images.tar");
    await step(deps.report, "save images", async () => {
      const tags = [images.machine, images.toolbox, images.node.image];
      const env = dockerEnvironment(deps.env);
      const onBytes = tellMib(deps.report, "save images", await sizeOfImages(env, tags), {
        before: "about ",
      });
      await pipeCommands(["docker", "save", ...tags], writeTo(archive), { ...options, env, onBytes });
    });
    await step(deps.report, "write file", async () => {
      await copyFile(images.node.kindBinary, join(work, "kind"));
      await copyFile(images.node.kubectlBinary, join(work, "kubectl"));
      await writeFile(join(work, "image-set.json"), JSON.stringify(images));
      // The description first, so that reading it doesn't mean reading gigabytes.
      const parts = ["image-set.json", "kind", "kubectl", "images.tar"];
      const onBytes = tellMib(deps.report, "write file", (await stat(archive)).size);
      const pack = ["tar", "-cf", "-", "-C", work, ...parts] as const;
      await pipeCommands([...pack], writeTo(`${target}.partial`), { ...options, env: {}, onBytes });
      await rename(`${target}.partial`, target);
    });
  } catch (error) {
    throw explainFullDisk(error, dirname(target));
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(`${target}.partial`, { force: true });
  }
}

/**
 * Takes over what `saveImages` wrote; afterwards `ensureImages` finds everything in place.
 * @throws LabError `bad_request` for a file that isn't one, or was written by another version of Footbridge.
 */
export async function loadImages(
  deps: ImageSetDeps,
  options: { labsDir: string },
  file: string,
): Promise<ImageSet> {
  const source = resolve(file);
  const described = await describeBundle(source);
  if (described.sourcesKey !== (await imageSourcesKey(options.labsDir)))
    throw new LabError("bad_request", `\`${file}\` was saved by another version of Footbridge`, {
      hint: "save it anew with the version that runs here, or bring that version here",
    });
  const folder = join(deps.paths.cacheDir, "loaded", described.sourcesKey);
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(deps.paths.cacheDir, "loading-"));
  const limits = { timeoutMs: hourMs, signal: deps.signal };
  try {
    return await step(deps.report, "load images", async () => {
      await run(["tar", "-xf", source, "-C", work, "--occurrence=1", "kind", "kubectl"], limits);
      const onBytes = tellMib(deps.report, "load images", (await stat(source)).size);
      const env = dockerEnvironment(deps.env);
      await pipeCommands(["tar", "-xOf", source, "images.tar"], ["docker", "load"], {
        ...limits,
        env,
        onBytes,
      });
      for (const name of ["kind", "kubectl"]) {
        await rename(join(work, name), join(folder, name));
        await chmod(join(folder, name), 0o755);
      }
      const images: ImageSet = {
        ...described,
        registry: "*",
        node: {
          ...described.node,
          kindBinary: join(folder, "kind"),
          kubectlBinary: join(folder, "kubectl"),
        },
      };
      if (!(await isWhole(deps, images)))
        throw new LabError("bad_request", `\`${file}\` lacks images that it should have`, {
          hint: "it may be cut off: copy it again, or save it anew",
        });
      await rememberImageSet(deps, images);
      return images;
    });
  } catch (error) {
    throw explainFullDisk(error, deps.paths.cacheDir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function sizeOfImages(env: Record<string, string>, tags: readonly string[]): Promise<number> {
  const inspect = ["image", "inspect", "--format", "{{.Size}}", ...tags];
  const { stdout } = await docker({ env }, inspect, { timeoutMs: 30_000 });
  return stdout.split("\n").reduce((sum, size) => sum + Number(size), 0);
}

function writeTo(file: string): [string, ...string[]] {
  return ["dd", "bs=1M", "status=none", `of=${file}`];
}

async function describeBundle(file: string): Promise<ImageSet> {
  try {
    const { stdout } = await run(["tar", "-xOf", file, "--occurrence=1", "image-set.json"], {
      timeoutMs: 60_000,
    });
    return imageSetSchema.parse(JSON.parse(stdout));
  } catch (cause) {
    throw new LabError("bad_request", `\`${file}\` is not a file that \`footbridge images save\` wrote`, {
      cause,
    });
  }
}

function explainFullDisk(error: unknown, folder: string): unknown {
  if (!/no space left|ENOSPC/i.test(String(error))) return error;
  return new LabError("disk_full", "there is not enough room for the images", {
    hint: `free some GiB in ${folder} and where Docker keeps its data, then start again`,
    cause: error,
  });
}
