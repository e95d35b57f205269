import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../errors.ts";
import { addToJournal } from "../host/docker-journal.ts";
import { type Report, step } from "../progress.ts";
import { docker, removeContainer } from "./docker-command.ts";

/** Where `kindest/node` is pulled from. */
export interface NodeRegistry {
  /** Host of a mirror of Docker Hub, with its port, e.g. `mirror.example:5000`. */
  host?: string;
  /** Another node image than kind's own default: `repository@sha256:…` or `repository:tag@sha256:…`, without host. */
  image?: string;
}

/** What kind v0.33.0 makes clusters from by default; a test compares it with the kind module. */
export const publishedNodeImage =
  "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

export interface PublishedNodeDeps {
  dockerEnv: Record<string, string>;
  report: Report;
  signal?: AbortSignal | undefined;
  cacheDir: string;
  /** Where the pulled image is noted, so that uninstalling takes it away. */
  journalFile: string;
}

/** The published node image at the Docker endpoint. */
export interface PublishedNode {
  image: string;
  key: string;
  kubectlBinary: string;
  kubernetesVersion: string;
}

/** A registry that is there names the image's layers within this time; one that is not must not hold us up. */
const answerTimeoutMs = 45_000;
const pullTimeoutMs = 60 * 60_000;

/**
 * Pulls the published node image by its digest, unless it is there.
 * @param required throw rather than return undefined where no registry answers.
 * @throws LabError `image_failed`, `aborted`.
 */
export async function pullPublishedNode(
  deps: PublishedNodeDeps,
  registry: NodeRegistry,
  required: boolean,
): Promise<PublishedNode | undefined> {
  const wanted = registry.image ?? publishedNodeImage;
  const digest = /@sha256:([0-9a-f]{64})$/.exec(wanted)?.[1];
  if (!digest) throw new LabError("bad_settings", `the node image \`${wanted}\` names no digest`);
  const image = registry.host ? `${registry.host}/${wanted}` : wanted;
  if (!(await isPresent(deps, image)) && !(await pull(deps, image, required))) return undefined;
  const kubernetesVersion = (await inImage(deps, image, ["cat", "/kind/version"])).trim();
  return { image, key: digest, kubernetesVersion, kubectlBinary: await copyKubectl(deps, image, digest) };
}

async function isPresent(deps: PublishedNodeDeps, image: string): Promise<boolean> {
  const inspect = ["image", "inspect", "--format", "{{.Id}}", image];
  return (
    (await docker({ env: deps.dockerEnv }, inspect, { timeoutMs: 30_000, okExitCodes: [1] })).exitCode === 0
  );
}

/** @returns false where no registry answers. */
async function pull(deps: PublishedNodeDeps, image: string, required: boolean): Promise<boolean> {
  const name = "pull the node image";
  deps.report({ step: name, state: "started", message: image });
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), answerTimeoutMs);
  const signal = deps.signal ? AbortSignal.any([deps.signal, silence.signal]) : silence.signal;
  const layers = { known: new Set<string>(), done: new Set<string>() };
  try {
    await docker({ env: deps.dockerEnv }, ["pull", image], {
      timeoutMs: pullTimeoutMs,
      signal,
      onLine: (line) => {
        const [, layer, state] = /^([0-9a-f]{12}): (.+)$/.exec(line) ?? [];
        if (!layer || !state) return;
        clearTimeout(timer);
        layers.known.add(layer);
        if (state === "Pull complete" || state === "Already exists") layers.done.add(layer);
        const fraction = layers.done.size / layers.known.size;
        deps.report({ step: name, state: "progress", fraction, message: `${layer} ${state.toLowerCase()}` });
      },
    });
  } catch (error) {
    if (deps.signal?.aborted)
      throw new LabError("aborted", "pulling the node image was interrupted", { cause: error });
    const reason = error instanceof Error ? error.message : String(error);
    // Once layers were coming, a failure is one to be told: building instead would hide a full disk.
    if (!required && layers.known.size === 0) {
      deps.report({
        step: name,
        state: "done",
        message: "no registry answers: the node image is built here instead",
      });
      return false;
    }
    deps.report({ step: name, state: "failed", message: reason });
    throw new LabError("image_failed", `could not pull \`${image}\`: ${reason}`, {
      hint: "start again to continue, or choose to build the node image from packages",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
  await addToJournal(deps.journalFile, (journal) => journal.pulledImages.push(image));
  deps.report({ step: name, state: "done" });
  return true;
}

async function inImage(
  deps: PublishedNodeDeps,
  image: string,
  argv: readonly [string, ...string[]],
): Promise<string> {
  const [command, ...args] = argv;
  const flags = ["run", "--rm", "--network", "none", "--label", "footbridge=build", "--entrypoint", command];
  const { stdout } = await docker({ env: deps.dockerEnv }, [...flags, image, ...args], {
    timeoutMs: 120_000,
  });
  return stdout;
}

async function copyKubectl(deps: PublishedNodeDeps, image: string, digest: string): Promise<string> {
  const target = join(deps.cacheDir, "built", `node-published-${digest.slice(0, 12)}`, "kubectl");
  if (await stat(target).catch(() => undefined)) return target;
  return await step(deps.report, "take kubectl out of the node image", async () => {
    const call = async (...args: string[]) =>
      await docker({ env: deps.dockerEnv }, args, { timeoutMs: 300_000, signal: deps.signal });
    const create = ["create", "--label", "footbridge=build", "--network", "none", image];
    const id = (await call(...create)).stdout.trim();
    const partial = `${target}.partial-${process.pid}`;
    try {
      await mkdir(join(target, ".."), { recursive: true });
      await call("cp", `${id}:/usr/bin/kubectl`, partial);
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
      await removeContainer({ env: deps.dockerEnv }, id);
    }
    return target;
  });
}
