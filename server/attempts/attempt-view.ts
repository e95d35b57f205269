import type { SandboxInspection } from "../../sandboxes/sandbox.ts";
import type { LocalizedCondition } from "../checks/verdict.ts";
import type { Lab, Task } from "../labs/lab.ts";
import type { AttemptView, Condition, Language, TaskView, Verdict, ViewVersion } from "../protocol/views.ts";
import type { Settings } from "../settings.ts";
import type { Attempt, Evidence } from "../store/store.ts";
import { type SandboxDoings, sandboxView } from "./sandbox-view.ts";

/** Everything known about an attempt at one moment. */
export interface AttemptFacts extends SandboxDoings {
  version: ViewVersion;
  attempt: Attempt;
  learner: string;
  lab: Lab;
  /** The latest of each task in this round. */
  evidence: readonly Evidence[];
  hintsRevealed: ReadonlyMap<string, number>;
  state: AttemptView["state"];
  queuePosition: number | undefined;
  sandbox: SandboxInspection | undefined;
}

/** What a reader of `language` sees of it. */
export function attemptView(
  facts: AttemptFacts,
  settings: Pick<Settings, "extensionMinutes" | "maxExtensions">,
  language: Language,
): AttemptView {
  const { attempt, lab, sandbox, queuePosition } = facts;
  return {
    version: facts.version,
    id: attempt.id,
    labId: lab.id,
    labTitle: lab.title[language],
    learner: facts.learner,
    startedAt: attempt.startedAt.toISOString(),
    endsAt: attempt.endsAt.toISOString(),
    extensionsLeft: Math.max(0, settings.maxExtensions - attempt.extensions),
    extensionMinutes: settings.extensionMinutes,
    state: facts.state,
    ...(queuePosition === undefined ? {} : { queuePosition }),
    ...(sandbox ? { sandbox: sandboxView(sandbox, facts) } : {}),
    tasks: taskViews(facts, language),
    webServices: lab.webServices.map(({ name, world, port }) => ({ name: name[language], world, port })),
  };
}

function taskViews(facts: AttemptFacts, language: Language): TaskView[] {
  const evidence = new Map(facts.evidence.map((one) => [one.taskId, one]));
  const isPassed = (taskId: string) => evidence.get(taskId)?.state === "passed";
  return facts.lab.tasks.map((task) => {
    const latest = evidence.get(task.id);
    const state = isPassed(task.id) ? "passed" : task.after.every(isPassed) ? "open" : "locked";
    return {
      id: task.id,
      title: task.title[language],
      world: task.world,
      points: task.points,
      state,
      ...(state === "passed" && latest ? { passedAt: latest.checkedAt.toISOString() } : {}),
      ...(state === "open" && latest ? { verdict: verdict(latest, language) } : {}),
      hintsShown: shownHints(task, facts.hintsRevealed.get(task.id) ?? 0, language),
      hintsTotal: task.hints.length,
    };
  });
}

function shownHints(task: Task, revealed: number, language: Language): string[] {
  return task.hints.slice(0, revealed).map((hint) => hint[language]);
}

function verdict(evidence: Evidence, language: Language): Verdict {
  return {
    state: evidence.state,
    conditions: evidence.conditions.map((one) => condition(one, language)),
    checkedAt: evidence.checkedAt.toISOString(),
    tookMs: evidence.tookMs,
  };
}

function condition(one: LocalizedCondition, language: Language): Condition {
  const label = one.label[language];
  if (one.state === "passed") return { state: "passed", label };
  if (one.state === "errored") return { state: "errored", label, reason: one.reason[language] };
  return {
    state: "failed",
    label,
    expected: one.expected[language],
    found: one.found[language],
    ...(one.hint ? { hint: one.hint[language] } : {}),
  };
}
