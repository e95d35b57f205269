import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { HostPaths } from "../host/docker-paths.ts";
import type { Report } from "../progress.ts";
import { type CourseApp, readCourseApp } from "./course-app.ts";
import { ensureCourseImages } from "./course-image.ts";
import { imageExists } from "./docker-command.ts";
import { createImageBuilder, dockerEnvironment } from "./image-builder.ts";
import { addTree } from "./image-key.ts";
import { ensureMachineImage } from "./machine-image.ts";
import { ensureNodeImage } from "./node-image.ts";
import { ensureToolboxImage } from "./toolbox-image.ts";

const nodeSchema = z.object({
  image: z.string(),
  kindBinary: z.string(),
  kubectlBinary: z.string(),
  enforcesNetworkPolicy: z.boolean(),
  kubernetesVersion: z.string(),
  source: z.enum(["published", "built"]),
});

/** The shape of an `ImageSet` wherever it is written down. */
export const imageSetSchema = z.object({
  /** QEMU and the guest. */
  machine: z.string(),
  /** The learner's cluster shells. */
  toolbox: z.string(),
  /** What clusters are made with; its binaries are absolute paths on this host. */
  node: nodeSchema,
  /** Hash of everything the images are made from: recipes and the apps of the courses. */
  sourcesKey: z.string(),
  /** The registry asked for the node image, or `*` for a set that came as a file. */
  registry: z.string(),
});

/** Everything a sandbox is made from, by tag at the Docker endpoint and by path on this host. */
export type ImageSet = z.infer<typeof imageSetSchema>;

export interface ImageSetDeps {
  env: NodeJS.ProcessEnv;
  paths: HostPaths;
  report: Report;
  signal?: AbortSignal;
}

export interface ImageSetOptions {
  /** The folder with the courses' labs; `apps/<name>/app.yaml` in it describe what to build into the images. */
  labsDir: string;
  /** `auto` asks Docker Hub for the node image, `none` builds it, anything else is a mirror's host and port. */
  registry: string;
}

const recipesFolder = fileURLToPath(new URL(".", import.meta.url));

/**
 * Makes sure that every image is there, building or pulling what is missing. With everything in place this only looks.
 * @throws LabError `image_failed`, `lab_invalid`, `timed_out`, `aborted`, `disk_full`.
 */
export async function ensureImages(deps: ImageSetDeps, options: ImageSetOptions): Promise<ImageSet> {
  const apps = await readApps(options.labsDir);
  const sourcesKey = await hashSources(apps);
  const known = await recallImageSet(deps);
  const isKnown = known?.sourcesKey === sourcesKey && ["*", options.registry].includes(known.registry);
  if (isKnown && (await isWhole(deps, known))) return known;

  const builder = await createImageBuilder(deps);
  const courseImageTars = await ensureCourseImages(builder, apps);
  const machine = await ensureMachineImage(builder, apps);
  const registry = ["auto", "none"].includes(options.registry) ? {} : { host: options.registry };
  const source = options.registry === "none" ? "built" : "auto";
  const node = await ensureNodeImage(builder, { courseImageTars, registry, source }, deps.report);
  const toolbox = await ensureToolboxImage(builder, node.kubectlBinary);
  const images = { machine: machine.tag, toolbox: toolbox.tag, node, sourcesKey, registry: options.registry };
  await rememberImageSet(deps, images);
  return images;
}

/** The set that the last run found or made, whether or not it is still there. */
export async function recallImageSet(deps: Pick<ImageSetDeps, "paths">): Promise<ImageSet | undefined> {
  const text = await readFile(setFile(deps), "utf8").catch(() => "");
  if (text === "") return undefined;
  return imageSetSchema.safeParse(JSON.parse(text)).data;
}

/** Writes down the set, so that the next start need not look at every input. */
export async function rememberImageSet(deps: Pick<ImageSetDeps, "paths">, images: ImageSet): Promise<void> {
  const file = setFile(deps);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify(images, null, 2)}\n`);
  await rename(`${file}.${process.pid}`, file);
}

/** Whether all of a set's images and binaries exist. */
export async function isWhole(deps: Pick<ImageSetDeps, "env">, images: ImageSet): Promise<boolean> {
  const cli = { env: dockerEnvironment(deps.env) };
  const found = await Promise.all([
    ...[images.machine, images.toolbox, images.node.image].map((tag) => imageExists(cli, tag)),
    ...[images.node.kindBinary, images.node.kubectlBinary].map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  ]);
  return found.every(Boolean);
}

/** A hash over the recipes and the apps: another one means that images may have to be built. */
export async function imageSourcesKey(labsDir: string): Promise<string> {
  return await hashSources(await readApps(labsDir));
}

async function hashSources(apps: readonly CourseApp[]): Promise<string> {
  const hash = createHash("sha256");
  await addTree(hash, "recipes", recipesFolder);
  for (const { name, folder } of apps) await addTree(hash, `app ${name}`, folder);
  return hash.digest("hex").slice(0, 12);
}

async function readApps(labsDir: string): Promise<CourseApp[]> {
  const appsDir = join(labsDir, "apps");
  const names = await readdir(appsDir).catch(() => []);
  return await Promise.all(names.sort().map((name) => readCourseApp(join(appsDir, name))));
}

function setFile({ paths }: Pick<ImageSetDeps, "paths">): string {
  return join(paths.cacheDir, "image-set.json");
}
