import { appendFile, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../errors.ts";
import type { HostPaths } from "../host/docker-paths.ts";
import { stringsOf } from "../host/docker-probe.ts";
import type { Report } from "../progress.ts";
import { type BuildContainer, startBuildContainer } from "./build-container.ts";
import { type BuildEnvironment, inheritBuildEnvironment } from "./build-environment.ts";
import { explainBuildFailure, storeResult } from "./build-result.ts";
import { buildEnvironmentKey, ensureBuilderImage, recipeLibrary } from "./builder-image.ts";
import { imageExists } from "./docker-command.ts";
import { recipeKey } from "./image-key.ts";
import type { BuiltImage, ImageRecipe } from "./image-recipe.ts";

export interface ImageBuilderDeps {
  env: NodeJS.ProcessEnv;
  paths: HostPaths;
  report: Report;
  signal?: AbortSignal;
  /** The builder's base where a registry answers. */
  debianImage?: string;
}

/** Builds images from recipes; each at most once per set of inputs and host. */
export interface ImageBuilder {
  readonly deps: ImageBuilderDeps;
  /** Environment for every `docker` command, so that builds and those who use them talk to one engine. */
  readonly dockerEnv: Record<string, string>;
  /** The key and tag a recipe has, without building anything. */
  describe(recipe: ImageRecipe): Promise<BuiltImage>;
  /** Whether `ensureImage` would have nothing to do. */
  isPresent(recipe: ImageRecipe): Promise<boolean>;
  /**
   * Builds the image unless it is there. The step is `build image <name>`. An interrupted build leaves no image;
   * packages and compiled Go code it had fetched are kept for the next.
   * @throws LabError `image_failed` with the end of the log, `timed_out`, `aborted` or `disk_full`.
   */
  ensureImage(recipe: ImageRecipe): Promise<BuiltImage>;
}

/** The variables that decide which engine a `docker` command talks to. */
export function dockerEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return stringsOf({ DOCKER_HOST: env.DOCKER_HOST, DOCKER_CONTEXT: env.DOCKER_CONTEXT });
}

/** Prepares for building: no work is done before the first image that is missing. */
export async function createImageBuilder(deps: ImageBuilderDeps): Promise<ImageBuilder> {
  const dockerEnv = dockerEnvironment(deps.env);
  const environmentKey = await buildEnvironmentKey();
  let environment: Promise<BuildEnvironment> | undefined;
  let builder: Promise<{ tag: string }> | undefined;
  const context = {
    deps,
    dockerEnv,
    environment: () => {
      environment ??= inheritBuildEnvironment(deps.env);
      return environment;
    },
    builder: async () => {
      const { report, paths, signal, debianImage = "debian:13-slim" } = deps;
      builder ??= context.environment().then((inherited) => {
        return ensureBuilderImage({ dockerEnv, paths, report, signal, debianImage, environment: inherited });
      });
      return await builder;
    },
  };
  const describe = async (recipe: ImageRecipe): Promise<BuiltImage> => {
    const key = await recipeKey(recipe, environmentKey);
    const folder = join(deps.paths.cacheDir, "built", `${recipe.name}-${key}`);
    const files = Object.fromEntries((recipe.files ?? []).map((path) => [path, join(folder, path)]));
    return { name: recipe.name, key, tag: `footbridge/${recipe.name}:${key}`, files };
  };
  const isThere = async (recipe: ImageRecipe, image: BuiltImage): Promise<boolean> => {
    for (const file of Object.values(image.files)) if (!(await fileExists(file))) return false;
    return recipe.output.kind === "files" || (await imageExists({ env: dockerEnv }, image.tag));
  };
  return {
    deps,
    dockerEnv,
    describe,
    isPresent: async (recipe) => await isThere(recipe, await describe(recipe)),
    async ensureImage(recipe) {
      const image = await describe(recipe);
      if (await isThere(recipe, image)) return image;
      await build(context, recipe, image, async () => await isThere(recipe, image));
      return image;
    },
  };
}

interface BuildContext {
  deps: ImageBuilderDeps;
  dockerEnv: Record<string, string>;
  environment(): Promise<BuildEnvironment>;
  builder(): Promise<{ tag: string }>;
}

async function build(
  context: BuildContext,
  recipe: ImageRecipe,
  image: BuiltImage,
  isThere: () => Promise<boolean>,
): Promise<void> {
  const { report, signal } = context.deps;
  const step = `build image ${recipe.name}`;
  const builder = await context.builder();
  report({ step, state: "started" });
  try {
    await using container = await waitForLock(context, builder.tag, recipe, image, isThere);
    if (container) {
      const tail = await runBuildScript(context, container, recipe, image, step);
      report({ step, state: "progress", fraction: 0.95, message: "storing the result" });
      await storeResult({ dockerEnv: context.dockerEnv, signal }, recipe, image).catch((error: unknown) => {
        throw explainBuildFailure(error, recipe, tail);
      });
    }
  } catch (error) {
    report({ step, state: "failed", message: error instanceof Error ? error.message : String(error) });
    if (signal?.aborted)
      throw new LabError("aborted", `building \`${recipe.name}\` was interrupted`, { cause: error });
    throw error;
  }
  report({ step, state: "done" });
}

/** @returns undefined when another process has built it in the meantime. */
async function waitForLock(
  context: BuildContext,
  builderTag: string,
  recipe: ImageRecipe,
  image: BuiltImage,
  isThere: () => Promise<boolean>,
): Promise<BuildContainer | undefined> {
  const { report, signal } = context.deps;
  const deadline = Date.now() + recipe.timeoutMs;
  const environment = await context.environment();
  for (let waited = false; ; waited = true) {
    if (await isThere()) return undefined;
    const container = await startBuildContainer({
      name: `fb-build-${image.name}-${image.key}`,
      builderTag,
      settings: { ...recipe.settings, FB_IMAGE: recipe.name },
      environment,
      dockerEnv: context.dockerEnv,
      copies: [
        [recipeLibrary, "/recipe-lib"],
        [recipe.folder, "/recipe"],
        ...(recipe.inputs ?? []).map((input) => [input.source, `/inputs/${input.path}`] as const),
      ],
      signal,
    });
    if (container) return container;
    const message = "another process is building it; waiting for that";
    if (!waited) report({ step: `build image ${recipe.name}`, state: "progress", message });
    if (Date.now() > deadline)
      throw new LabError("timed_out", `another process has been building \`${recipe.name}\` for too long`, {
        hint: `if none is, remove the container fb-build-${image.name}-${image.key}`,
      });
    await delay(1_000, undefined, signal ? { signal } : {});
  }
}

async function runBuildScript(
  context: BuildContext,
  container: BuildContainer,
  recipe: ImageRecipe,
  image: BuiltImage,
  step: string,
): Promise<string[]> {
  const { report, paths } = context.deps;
  const log = join(paths.stateDir, "logs", `build-${image.name}-${image.key}.log`);
  await mkdir(dirname(log), { recursive: true });
  await writeFile(log, "");
  const { secrets } = await context.environment();
  const hide = (line: string) => secrets.reduce((kept, secret) => kept.replaceAll(secret, "***"), line);
  const tail: string[] = [];
  let writing = Promise.resolve();
  const onLine = (raw: string) => {
    const line = hide(raw);
    const progress = /^@@progress ([\d.]+) (.*)$/.exec(line);
    if (progress) {
      const fraction = Math.min(0.94, Number(progress[1]) * 0.94);
      report({ step, state: "progress", fraction, message: progress[2] ?? "" });
    }
    tail.push(line);
    if (tail.length > 25) tail.shift();
    writing = writing.then(() => appendFile(log, `${line}\n`));
  };
  try {
    await container.exec(["nice", "sh", "-e", "/recipe/build.sh"], { timeoutMs: recipe.timeoutMs, onLine });
  } catch (error) {
    throw explainBuildFailure(error, recipe, tail, log);
  } finally {
    await writing;
  }
  return tail;
}

async function fileExists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
