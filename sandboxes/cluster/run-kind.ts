import { LabError } from "../errors.ts";
import type { SandboxReport, SandboxStep } from "../progress.ts";
import type { ClusterSpec } from "./cluster.ts";
import { createCluster, type KindPhase } from "./kind-command.ts";
import { clusterName } from "./names.ts";
import type { NodeHost } from "./node-host.ts";
import { PATIENCE } from "./patience.ts";

export interface KindRun {
  image: string;
  config: string;
  report: SandboxReport;
  signal: AbortSignal;
  /** The node containers run. */
  onNodes?(): void;
  /** The API server answers. */
  onApi?(): void;
}

/**
 * kind gives a node's systemd 30 s to come up, and its kubectl gives the API 32 s to describe itself; neither takes
 * another number. An emulated or crowded host may need longer the first time; the next time most of it is in memory.
 * kind removes what it made before it gives up.
 */
const TOO_SLOW = /could not find a log line that matches|Client\.Timeout exceeded/;
const ATTEMPTS = 3;

/** Runs `kind create cluster` and tells its phases as the steps `create cluster` and, with workers, `join nodes`. */
export async function runKind(host: NodeHost, spec: ClusterSpec, run: KindRun): Promise<void> {
  const { report, image, config, signal } = run;
  let step: SandboxStep = "create cluster";
  report({ step, state: "started" });
  const onPhase = ({ name, state, fraction }: KindPhase) => {
    if (state === "done" && name === "Preparing nodes") run.onNodes?.();
    if (state === "done" && name === "Starting control-plane") run.onApi?.();
    if (state === "done") return;
    if (name === "Joining worker nodes") {
      report({ step, state: "done" });
      step = "join nodes";
      report({ step, state: "started" });
    } else report({ step, state: "progress", message: name.toLowerCase(), fraction });
  };
  const kind = { binary: spec.kindBinary, env: host.env };
  const name = clusterName(spec.sandboxId);
  const timeoutMs = PATIENCE[spec.placement].createMs;
  try {
    for (let attempt = 1; ; attempt++)
      try {
        await createCluster(kind, { name, image, config, signal, timeoutMs, onPhase });
        break;
      } catch (error) {
        const isSlow = error instanceof LabError && TOO_SLOW.test(error.message);
        if (!isSlow || attempt === ATTEMPTS) throw error;
        report({ step, state: "progress", message: "the node came up slowly; once more" });
      }
  } catch (error) {
    report({ step, state: "failed", message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
  report({ step, state: "done" });
}
