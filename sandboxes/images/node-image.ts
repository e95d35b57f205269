import type { Report } from "../progress.ts";
import type { ImageBuilder } from "./image-builder.ts";
import { withCourseImages } from "./node-image-course.ts";
import { ensureKindCommand } from "./node-image-kind.ts";
import { type NodeRegistry, pullPublishedNode } from "./node-image-published.ts";
import { ensureBuiltNode, isBuiltNodePresent } from "./node-image-recipe.ts";

export interface NodeImageOptions {
  /** Files as `docker save` writes them: images that pods of the course start from. */
  courseImageTars?: readonly string[];
  /** Where the published node image comes from; Docker Hub without it. */
  registry?: NodeRegistry;
  /** `published` and `built` insist on that. `auto` asks a named mirror, else takes what was built, else asks, else builds. */
  source?: "auto" | "published" | "built";
}

/** What clusters are made with. */
export interface NodeImage {
  /** `footbridge/node:<key>`, for `kind create cluster --image`. */
  image: string;
  /** The kind command that fits the image: an absolute path on this host. */
  kindBinary: string;
  /** A kubectl of the cluster's own version: an absolute path on this host. */
  kubectlBinary: string;
  /** Whether NetworkPolicies have an effect. */
  enforcesNetworkPolicy: boolean;
  /** e.g. `v1.37.0` */
  kubernetesVersion: string;
  source: "published" | "built";
}

/**
 * The node image, kind and kubectl: pulled where a registry answers, else built from Go modules and Debian packages.
 * Nothing is done twice: with everything in place this takes about a second.
 * @throws LabError `image_failed`, `timed_out`, `aborted`, `disk_full`.
 */
export async function ensureNodeImage(
  builder: ImageBuilder,
  options: NodeImageOptions,
  report: Report,
): Promise<NodeImage> {
  const { source = "auto", registry = {}, courseImageTars = [] } = options;
  const { signal, paths, env } = builder.deps;
  const { cacheDir, journalFile } = paths;
  const deps = { dockerEnv: builder.dockerEnv, report, signal, cacheDir, journalFile };
  // Asking a registry that does not answer costs every start its time-out; a mirror that somebody named is asked.
  const takeBuilt =
    source === "built" ||
    (source === "auto" && registry.host === undefined && (await isBuiltNodePresent(builder)));
  const published = takeBuilt ? undefined : await pullPublishedNode(deps, registry, source === "published");
  const node = published ?? (await ensureBuiltNode(builder));
  const image = await withCourseImages(deps, { image: node.image, baseKey: node.key }, courseImageTars);
  return {
    image,
    kindBinary: await ensureKindCommand(builder, env),
    kubectlBinary: node.kubectlBinary,
    // By kindnetd in the published image, by kube-router's policy controller in the built one.
    enforcesNetworkPolicy: true,
    kubernetesVersion: node.kubernetesVersion,
    source: published ? "published" : "built",
  };
}
