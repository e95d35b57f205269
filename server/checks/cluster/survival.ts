import type { V1Deployment, V1Pod } from "@kubernetes/client-node";
import type { CheckOf } from "../check.ts";
import type { FollowLine } from "../probes/prober.ts";
import {
  type ClusterState,
  currentPods,
  currentReplicaSet,
  find,
  isOwnedBy,
  isReady,
  isTerminating,
  nameOf,
} from "./cluster-state.ts";
import type { ClusterChange } from "./cluster-view.ts";
import { rolloutFault } from "./rollout.ts";

/** What came of the latest deletion. */
export type SurvivalResult =
  | { kind: "none" }
  /** The Deployment was too small for it to count. */
  | { kind: "too-few"; pod: string; replicas: number }
  /** Nobody was asking yet, or asking broke off. */
  | { kind: "unwatched"; pod: string }
  /** The host was too slow to tell an outage from itself. */
  | { kind: "unfair"; pod: string }
  | { kind: "running"; pod: string }
  | { kind: "failed"; pod: string; asked: number; failures: string[] }
  | { kind: "stranger"; pod: string; who: string }
  | { kind: "survived"; pod: string; asked: number };

interface Trial {
  pod: string;
  /** Pods that went since it began. */
  gone: Set<string>;
  /** Pods that were there when it began: one more must come, or it was scaled down. */
  before: Set<string>;
  generation: number | undefined;
  lines: FollowLine[];
  /** When everything was seen to be back. */
  backAt: Date | undefined;
  names: Set<string>;
}

/** So many questions make an answer. */
const ENOUGH_ASKED = 10;
const MOST_UNFAIR = 0.2;
/** As long as everything has been back, and requests still answered: some twenty, in a burst. */
const CALM_MS = 500;
/** Replacements that have answered nobody for so long are not waited for: the Service may not lead to them. */
const REPLACEMENTS_MS = 1_000;

/**
 * Follows one Deployment through deletions of its Pods: which of them count, and whether the Service answered from
 * before until all replicas were back. Fed with changes and with what the prober tells; keeps no clock of its own.
 */
export class Survival {
  readonly #check: CheckOf<"survives_deletion">;
  #result: SurvivalResult = { kind: "none" };
  #trial: Trial | undefined;
  /** Whether the prober has been asking, and for a line at least. */
  #isAsking = false;

  constructor(check: CheckOf<"survives_deletion">) {
    this.#check = check;
  }

  get result(): SurvivalResult {
    return this.#trial ? { kind: "running", pod: this.#trial.pod } : this.#result;
  }

  /** @returns whether a deletion that counts began with this change. */
  onChange(change: ClusterChange, state: ClusterState): boolean {
    if (change.kind !== "Pod" || change.namespace !== this.#check.namespace) return false;
    const before = change.before as V1Pod | undefined;
    // A forced deletion goes without the announcement.
    const isDeletion =
      before !== undefined && !isTerminating(before) && (change.isGone || isTerminating(change.object));
    return isDeletion && this.#onDeletion(before, state);
  }

  #onDeletion(pod: V1Pod, state: ClusterState): boolean {
    const { namespace, deployment: name, replicas: least } = this.#check;
    const deployment = find(state, "Deployment", namespace, name);
    const set = deployment && currentReplicaSet(state, deployment);
    if (!deployment || !isOwnedBy(pod, set?.metadata?.uid) || !isReady(pod)) return false;
    const uid = pod.metadata?.uid ?? "";
    if (this.#trial) {
      this.#trial.gone.add(uid);
      return true;
    }
    const replicas = deployment.spec?.replicas ?? 1;
    const others = currentPods(state, deployment);
    // Enough are left without it: it was scaled down.
    if (others.length >= replicas) return false;
    if (replicas < least) {
      this.#result = { kind: "too-few", pod: nameOf(pod), replicas };
      return false;
    }
    if (!this.#isAsking) {
      this.#result = { kind: "unwatched", pod: nameOf(pod) };
      return false;
    }
    this.#trial = {
      pod: nameOf(pod),
      gone: new Set([uid]),
      before: new Set([uid, ...others.map((one) => one.metadata?.uid ?? "")]),
      generation: deployment.metadata?.generation,
      lines: [],
      backAt: undefined,
      names: new Set(podsOfAllVersions(state, deployment).map(nameOf)).add(nameOf(pod)),
    };
    return true;
  }

  /** Nobody asks any more: a deletion that is being watched can't be judged. */
  onSilence(): void {
    this.#isAsking = false;
    if (this.#trial) this.#end({ kind: "unwatched", pod: this.#trial.pod });
  }

  /** What was asked since the last one. @returns whether the result has changed by it. */
  onLine(line: FollowLine, state: ClusterState, now: Date): boolean {
    this.#isAsking = true;
    const trial = this.#trial;
    if (!trial) return false;
    trial.lines.push(line);
    const { namespace, deployment: name } = this.#check;
    const deployment = find(state, "Deployment", namespace, name);
    if (!deployment || deployment.metadata?.generation !== trial.generation) {
      // The Deployment itself was changed: what goes and comes now is its doing.
      this.#end({ kind: "none" });
      return true;
    }
    const pods = currentPods(state, deployment);
    for (const pod of podsOfAllVersions(state, deployment)) trial.names.add(nameOf(pod));
    const isGone = !state
      .list("Pod", namespace)
      .some((pod) => trial.gone.has(pod.metadata?.uid ?? "") && pod.metadata?.uid !== undefined);
    const isBack = rolloutFault(state, deployment, deployment.spec?.replicas ?? 1, now) === undefined;
    if (!isGone || !isBack) return false;
    const replacements = pods.filter((pod) => !trial.before.has(pod.metadata?.uid ?? ""));
    if (replacements.length === 0) {
      this.#end({ kind: "none" });
      return true;
    }
    if (trial.backAt === undefined) {
      trial.backAt = now;
      return false;
    }
    const sinceMs = now.getTime() - trial.backAt.getTime();
    // What was asked before counts, and may have yet to fail.
    if (sinceMs < CALM_MS || line.waitingMs > sinceMs) return false;
    // Nodes hear of a new Pod a little later. One that only says that it is ready fails the first who ask it.
    const hasAnswered = (pod: V1Pod) => trial.lines.some(({ who }) => who.includes(nameOf(pod)));
    if (!replacements.every(hasAnswered) && sinceMs < REPLACEMENTS_MS) return false;
    this.#end(judgeTrial(trial));
    return true;
  }

  #end(result: SurvivalResult): void {
    this.#trial = undefined;
    this.#result = result;
  }
}

/** Those on their way out too: they answer until the last node has heard of it. */
function podsOfAllVersions(state: ClusterState, deployment: V1Deployment): V1Pod[] {
  const namespace = deployment.metadata?.namespace;
  const sets = state.list("ReplicaSet", namespace).filter((set) => isOwnedBy(set, deployment.metadata?.uid));
  return state.list("Pod", namespace).filter((pod) => sets.some((set) => isOwnedBy(pod, set.metadata?.uid)));
}

function judgeTrial({ pod, lines, names }: Trial): SurvivalResult {
  const asked = lines.reduce((sum, line) => sum + line.asked, 0);
  const unfair = lines.reduce((sum, line) => sum + line.unfair, 0);
  const failures = lines.flatMap((line) => line.failures);
  if (asked < ENOUGH_ASKED || unfair > asked * MOST_UNFAIR) return { kind: "unfair", pod };
  if (failures.length > 0) return { kind: "failed", pod, asked, failures };
  const stranger = lines.flatMap((line) => line.who).find((who) => !names.has(who));
  if (stranger !== undefined) return { kind: "stranger", pod, who: stranger };
  return { kind: "survived", pod, asked };
}
