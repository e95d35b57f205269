import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { installPackages } from "../host/docker-install.ts";
import { addToJournal } from "../host/docker-journal.ts";
import type { HostPaths } from "../host/docker-paths.ts";
import { becomeRoot, runAsRoot } from "../host/docker-root.ts";
import type { Report } from "../progress.ts";
import type { BuildEnvironment } from "./build-environment.ts";
import { docker, imageExists, pipeCommands, removeContainer } from "./docker-command.ts";
import { imageLabel } from "./image-recipe.ts";

/** The folder that every build finds as `/recipe-lib`. */
export const recipeLibrary = fileURLToPath(new URL("builder/", import.meta.url));

const builderPackages = [
  ...["mmdebstrap", "debian-archive-keyring", "ca-certificates", "util-linux", "mount", "xz-utils", "zstd"],
  ...["e2fsprogs", "lvm2", "qemu-utils", "cpio", "patch", "git", "golang-go", "curl"],
  ...["jq", "iptables", "runc"],
];

export interface BuilderImageDeps {
  dockerEnv: Record<string, string>;
  paths: HostPaths;
  environment: BuildEnvironment;
  report: Report;
  signal?: AbortSignal | undefined;
  /** A Debian 13 image to begin with, where a registry has it. */
  debianImage: string;
}

/**
 * The Debian 13 in which images are built: pulled and completed where a registry answers, else made from packages on
 * this host.
 */
export async function ensureBuilderImage(deps: BuilderImageDeps): Promise<{ tag: string }> {
  const key = await builderKey();
  const tag = `footbridge/builder:${key}`;
  const cli = { env: deps.dockerEnv };
  if (await imageExists(cli, tag)) return { tag };
  const step = "make the image builder";
  const { report } = deps;
  report({ step, state: "started" });
  try {
    if (await pulled(deps, step)) await completePulled(deps, tag, step);
    else await bootstrapOnHost(deps, tag, step);
  } catch (error) {
    report({ step, state: "failed", message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
  report({ step, state: "done" });
  return { tag };
}

async function builderKey(): Promise<string> {
  return await hashOf(["sources.sh", "install.sh", "bootstrap.sh"]);
}

/** What stands for the builder and its library in the key of everything that is built. */
export async function buildEnvironmentKey(): Promise<string> {
  return await hashOf(await readdir(recipeLibrary));
}

async function hashOf(names: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(builderPackages));
  for (const name of [...names].sort())
    hash.update(`${name}\n`).update(await readFile(join(recipeLibrary, name)));
  return hash.digest("hex").slice(0, 12);
}

async function pulled(deps: BuilderImageDeps, step: string): Promise<boolean> {
  const cli = { env: deps.dockerEnv };
  if (await imageExists(cli, deps.debianImage)) return true;
  deps.report({ step, state: "progress", message: `asking a registry for ${deps.debianImage}` });
  try {
    await docker(cli, ["pull", "--quiet", deps.debianImage], { timeoutMs: 180_000, signal: deps.signal });
    await addToJournal(deps.paths.journalFile, (journal) => journal.pulledImages.push(deps.debianImage));
    return true;
  } catch (error) {
    if (error instanceof LabError && error.code === "aborted") throw error;
    deps.report({
      step,
      state: "progress",
      message: "no registry answers: made from Debian packages instead",
    });
    return false;
  }
}

const importChanges = [
  `LABEL ${imageLabel}=builder`,
  "LABEL footbridge=image",
  "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin",
];

function importCommand(tag: string): [string, ...string[]] {
  return ["docker", "import", ...importChanges.flatMap((change) => ["--change", change]), "-", tag];
}

async function completePulled(deps: BuilderImageDeps, tag: string, step: string): Promise<void> {
  const cli = { env: deps.dockerEnv };
  const { variables, secrets } = deps.environment;
  const env = { ...deps.dockerEnv, ...variables };
  const passed = Object.keys(variables).flatMap((name) => ["--env", name]);
  const { stdout: id } = await docker(
    { env },
    ["create", "--label", "footbridge=build", "--network", "host", ...passed, deps.debianImage].concat(
      ["sh", "/recipe-lib/install.sh"],
      builderPackages,
    ),
    { timeoutMs: 60_000, secrets },
  );
  try {
    await docker(cli, ["cp", recipeLibrary, `${id}:/recipe-lib`], { timeoutMs: 60_000 });
    await docker(cli, ["start", "--attach", id], {
      timeoutMs: 15 * 60_000,
      signal: deps.signal,
      secrets,
      onLine: (message) => deps.report({ step, state: "progress", message }),
    });
    // Exported and imported, so that neither the variables nor the mirror are in the image's history.
    const options = { timeoutMs: 10 * 60_000, env: deps.dockerEnv, signal: deps.signal };
    await pipeCommands(["docker", "export", id], importCommand(tag), options);
  } finally {
    await removeContainer(cli, id);
  }
}

async function bootstrapOnHost(deps: BuilderImageDeps, tag: string, step: string): Promise<void> {
  await installPackages(deps, ["mmdebstrap", "debian-archive-keyring"], "building images without a registry");
  const root = await becomeRoot(
    "building the first image from packages needs it: start as root or with sudo",
  );
  await mkdir(deps.paths.cacheDir, { recursive: true });
  const work = await mkdtemp(join(deps.paths.cacheDir, "builder-"));
  const timeoutMs = 15 * 60_000;
  try {
    await runAsRoot(
      root,
      ["sh", join(recipeLibrary, "bootstrap.sh"), work, recipeLibrary, ...builderPackages],
      {
        timeoutMs,
        signal: deps.signal,
        secrets: deps.environment.secrets,
        env: deps.environment.variables,
        onLine: (message) => deps.report({ step, state: "progress", message }),
      },
    );
    const options = { timeoutMs, env: deps.dockerEnv, signal: deps.signal };
    await pipeCommands(["cat", join(work, "rootfs.tar")], importCommand(tag), options);
  } finally {
    await runAsRoot(root, ["rm", "-rf", "--one-file-system", work], { timeoutMs: 120_000 });
    await rm(work, { recursive: true, force: true });
  }
}
