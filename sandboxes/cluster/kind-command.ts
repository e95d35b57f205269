import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabError } from "../errors.ts";
import { run } from "../run.ts";

export interface KindCommandDeps {
  /** Path of the kind CLI. */
  binary: string;
  /** Environment that leads it to the Docker of the nodes: `DOCKER_HOST` and the like. */
  env: Record<string, string>;
}

/** Parts of the making of a cluster that kind tells of, as it names them, with the share of time done before each. */
export const kindPhases = {
  "Ensuring node image": 0.02,
  "Preparing nodes": 0.05,
  "Writing configuration": 0.2,
  "Starting control-plane": 0.25,
  "Installing CNI": 0.85,
  "Installing StorageClass": 0.9,
  "Joining worker nodes": 0.95,
} as const;

/**
 * A server that is killed takes kind along: the next one sweeps what was half-made, and a kind that goes on would make
 * nodes after that, on a network of its own making, which nobody knows.
 */
const DIE_WITH_SERVER = ["setpriv", "--pdeathsig", "KILL"] as const;

export interface KindPhase {
  /** As kind writes it, e.g. `Starting control-plane`. */
  name: string;
  state: "started" | "done";
  fraction: number;
}

/** One line of kind's output (` • Preparing nodes 📦 ...`, ` ✓ Preparing nodes 📦`) as the phase it tells of. */
export function parsePhase(line: string): KindPhase | undefined {
  const mark = /^\s*([•✓])/u.exec(line)?.[1];
  const known = Object.entries(kindPhases).find(([name]) => line.includes(name));
  if (!mark || !known) return undefined;
  const [name, fraction] = known;
  return { name, state: mark === "✓" ? "done" : "started", fraction };
}

/** What kubeadm says before a trace of many lines, which is all that the end of its output holds. */
const KUBEADM_REASON = /error execution phase|^error: /;

/**
 * `kind create cluster`. It returns once the nodes have joined, not when they are Ready. On failure kind removes what
 * it made; when interrupted it doesn't.
 * @throws LabError `cluster_failed`, `timed_out`, `aborted`
 */
export async function createCluster(
  deps: KindCommandDeps,
  options: {
    name: string;
    image: string;
    config: string;
    timeoutMs: number;
    signal: AbortSignal;
    onPhase(phase: KindPhase): void;
  },
): Promise<void> {
  // kind insists on adding the cluster to a kubeconfig file; nobody's own is touched.
  const folder = await mkdtemp(join(tmpdir(), "footbridge-kind-"));
  let reason: string | undefined;
  try {
    await run(
      [
        ...DIE_WITH_SERVER,
        ...[deps.binary, "create", "cluster", "--name", options.name, "--image", options.image],
        ...["--config", "-", "--kubeconfig", join(folder, "kubeconfig")],
      ] as [string, ...string[]],
      {
        timeoutMs: options.timeoutMs,
        signal: options.signal,
        env: deps.env,
        input: options.config,
        onLine: (line) => {
          const phase = parsePhase(line);
          if (phase) options.onPhase(phase);
          if (KUBEADM_REASON.test(line)) reason = line.trim();
        },
      },
    );
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "command_failed") throw error;
    const why = reason ?? error.message;
    throw new LabError("cluster_failed", `could not create cluster \`${options.name}\`: ${why}`, {
      hint: "`footbridge doctor` says what this host lacks; low memory and disk are the usual reasons",
      cause: error,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The administrator's kubeconfig, with the address the API server is published at. Not for logs. */
export async function adminKubeconfig(deps: KindCommandDeps, name: string): Promise<string> {
  const { stdout } = await run([deps.binary, "get", "kubeconfig", "--name", name], {
    timeoutMs: 60_000,
    env: deps.env,
  });
  return stdout;
}
