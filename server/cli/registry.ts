import { LabError } from "../../sandboxes/errors.ts";
import { publishedNodeImage } from "../../sandboxes/images/node-image-published.ts";
import { run } from "../../sandboxes/run.ts";
import type { Settings } from "../settings.ts";

/** A registry that is there names a manifest within this time. */
const ANSWER_MS = 15_000;

/**
 * The registry the node image would come from, when it has it: its manifest, not a download, is asked for.
 * @throws LabError `docker_unavailable` where there is no `docker` to ask with.
 */
export async function probeRegistry({ registry }: Pick<Settings, "registry">): Promise<string | undefined> {
  if (registry === "none") return undefined;
  const host = registry === "auto" ? "docker.io" : registry;
  // The digest alone: of both, `docker manifest` would ask for the tag.
  const image = publishedNodeImage.replace(/:[^@:]*@/, "@");
  try {
    const argv = ["docker", "manifest", "inspect", `${host}/${image}`] as const;
    const { exitCode } = await run(argv, { timeoutMs: ANSWER_MS, okExitCodes: [1] });
    return exitCode === 0 ? host : undefined;
  } catch (error) {
    if (!(error instanceof LabError) || !error.message.startsWith("could not start")) return undefined;
    throw new LabError("docker_unavailable", "there is no `docker` command to ask with", {
      hint: "run `npm start`, which installs it on Debian",
    });
  }
}
