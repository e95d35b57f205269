import { posix } from "node:path";
import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { Place } from "../place.ts";
import { LABELS } from "../sandbox.ts";
import type { ClusterSpec } from "./cluster.ts";
import { toolboxName } from "./names.ts";

/** The learner's kubeconfig as it was made; root's, so that a learner who breaks his own loses nothing. */
const KEPT_KUBECONFIG = "/etc/footbridge/kubeconfig";
const OWN_KUBECONFIG = "/home/admin/.kube/config";

const LIMITS = { memoryMib: 256, cpus: 1, pids: 256 };

/** Starts the small container in which the learner's `cluster` shells live: no capability, no device, no way to root. */
export async function startToolbox(deps: { engine: Engine }, spec: ClusterSpec): Promise<void> {
  const { network } = spec.endpoint;
  if (!network) throw new LabError("internal", "a toolbox needs the sandbox's network");
  await deps.engine.runContainer({
    name: toolboxName(spec.sandboxId),
    image: spec.toolboxImage,
    labels: { ...spec.labels, [LABELS.part]: "toolbox" },
    network: { name: network, aliases: ["cluster"] },
    hostname: "cluster",
    capabilities: [],
    limits: LIMITS,
  });
}

/**
 * Gives the learner's place its kubeconfig, as the last thing of a cluster's making: its presence says that the cluster
 * was finished and its guard rails held.
 */
export async function keepKubeconfig(place: Place, kubeconfig: string): Promise<void> {
  const content = new TextEncoder().encode(kubeconfig);
  const files = [
    [OWN_KUBECONFIG, "admin"],
    [KEPT_KUBECONFIG, "root"],
  ] as const;
  for (const [path, owner] of files) {
    const folder = posix.dirname(path);
    const made = await place.exec(["mkdir", "-p", folder], { timeoutMs: 60_000, user: owner });
    if (made.exitCode !== 0)
      throw new LabError("cluster_failed", `could not make \`${folder}\`: ${made.stderr.trim()}`);
    await place.writeFile(path, content, { mode: 0o600, owner });
  }
}

/** The kubeconfig it was given; `undefined` when it never was, or the container is not there or not running. */
export async function keptKubeconfig(place: Place): Promise<string | undefined> {
  try {
    const content = await place.readFile(KEPT_KUBECONFIG, { maxBytes: 64 * 1024, user: "root" });
    return new TextDecoder().decode(content);
  } catch (error) {
    if (error instanceof LabError && (error.code === "not_found" || error.code === "conflict"))
      return undefined;
    throw error;
  }
}

/** A container as a place for shells, commands and files. */
export function containerPlace(engine: Engine, name: string): Place {
  const place: Place = {
    role: "cluster",
    exec: (argv, options) => engine.exec(name, argv, { ...options, user: options.user ?? "admin" }),
    stream: (argv, options) => engine.stream(name, argv, options),
    async writeFile(path, content, { mode, owner }) {
      // As the owner himself: without capabilities not even root may give files away. Renamed into place whole.
      const script =
        'umask 077; mkdir -p "$1" && cat >"$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2"';
      const { exitCode, stderr } = await engine.exec(
        name,
        ["sh", "-c", script, "sh", posix.dirname(path), path, mode.toString(8)],
        { timeoutMs: 60_000, user: owner, input: content },
      );
      if (exitCode !== 0) throw new LabError("forbidden", `could not write \`${path}\`: ${stderr.trim()}`);
    },
    async readFile(path, { maxBytes, user }) {
      // Base64, because a command's output comes as text.
      const script = '[ -f "$1" ] || exit 44; head -c "$2" "$1" | base64 -w0';
      const { exitCode, stdout, stderr } = await engine.exec(
        name,
        ["sh", "-c", script, "sh", path, String(maxBytes + 1)],
        { timeoutMs: 60_000, user },
      );
      if (exitCode === 44) throw new LabError("not_found", `there is no file \`${path}\``);
      if (exitCode !== 0) throw new LabError("forbidden", `could not read \`${path}\`: ${stderr.trim()}`);
      const content = Buffer.from(stdout, "base64");
      if (content.length > maxBytes)
        throw new LabError("bad_request", `\`${path}\` is larger than ${maxBytes} bytes`);
      return content;
    },
  };
  return place;
}
