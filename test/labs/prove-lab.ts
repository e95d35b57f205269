import { shellQuote } from "../../sandboxes/run.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { prepareLab } from "../../server/checks/prepare-lab.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import { type Commands, type Lab, WORLD_NAMES } from "../../server/labs/lab.ts";

export interface LabProof {
  taskId: string;
  /** From the end of the solution's commands to the verdict. */
  verdictMs: number;
  /** What each wrong way was told, in English. */
  shortcuts: { name: string; told: string }[];
}

export interface ProveOptions {
  /** Told of each step, with its time since the start. */
  log?: (line: string) => void;
  /** How long a verdict may take to come, on a slow host too. */
  verdictTimeoutMs?: number;
  signal: AbortSignal;
}

const COMMANDS_MS = 180_000;

/**
 * Proves a lab on a real sandbox, by events alone (no sweep): after its set-up no task is passed; every wrong way is
 * told what it lacks and passes nothing; every solution, typed as the learner would, passes its task.
 * Throws with the latest verdict where one of these does not hold.
 */
export async function proveLab(lab: Lab, sandbox: Sandbox, options: ProveOptions): Promise<LabProof[]> {
  const { verdictTimeoutMs = 240_000, signal } = options;
  const began = performance.now();
  const log = (line: string) => options.log?.(`${((performance.now() - began) / 1000).toFixed(1)} s ${line}`);
  await Promise.all(WORLD_NAMES.map((world) => prepareLab(lab, sandbox, world, signal)));
  log("prepared");
  const verdicts = new Verdicts();
  await using watcher = watchTasks({
    lab,
    sandbox,
    passed: new Set(),
    sweepMs: null,
    onVerdict: (verdict) => {
      log(`${verdict.taskId} ${verdict.state} in ${verdict.tookMs} ms: ${wordsOf(verdict)}`);
      verdicts.add(verdict);
    },
  });
  await watcher.listening;
  log("listening");

  /** On a host that is too slow to judge a deletion, the check asks for another one: as the learner, we obey. */
  const untilJudged = async (
    steps: readonly Commands[],
    ...[taskId, isWanted, timeoutMs, what]: Parameters<Verdicts["until"]>
  ) => {
    const asks = (verdict: TaskVerdict) => wordsOf(verdict).includes("delete another");
    for (;;) {
      const verdict = await verdicts.until(taskId, (one) => isWanted(one) || asks(one), timeoutMs, what);
      if (isWanted(verdict)) return verdict;
      log(`${taskId}: once more`);
      verdicts.forget(taskId);
      for (const step of steps) await type(sandbox, step);
    }
  };

  const proofs: LabProof[] = [];
  for (const task of lab.tasks) {
    await verdicts.until(task.id, (verdict) => verdict.state === "failed", verdictTimeoutMs, "the start");
    const shortcuts: LabProof["shortcuts"] = [];
    for (const shortcut of task.shortcuts) {
      log(`${task.id}: the wrong way "${shortcut.name}"`);
      for (const step of shortcut.steps) await type(sandbox, step);
      const told = await untilJudged(
        shortcut.steps,
        task.id,
        (verdict) => verdict.state === "passed" || wordsOf(verdict).includes(shortcut.says),
        verdictTimeoutMs,
        `"${shortcut.name}" to be told "${shortcut.says}"`,
      );
      // An event may have come before the last of the steps; what counts is what is there at the end.
      const final = await watcher.evaluate(task.id);
      if (told.state === "passed" || final.state === "passed")
        throw new Error(`${task.id} is passed by the wrong way "${shortcut.name}"`);
      shortcuts.push({ name: shortcut.name, told: wordsOf(told) });
      for (const step of shortcut.undo) await mustType(sandbox, step);
    }
    log(`${task.id}: the solution`);
    for (const step of task.solution) await mustType(sandbox, step);
    const typed = performance.now();
    const isPassed = (verdict: TaskVerdict) => verdict.state === "passed";
    await untilJudged(task.solution, task.id, isPassed, verdictTimeoutMs, "the solution");
    const verdictMs = Math.round(performance.now() - typed);
    log(`${task.id}: passed ${verdictMs} ms after the solution`);
    proofs.push({ taskId: task.id, verdictMs, shortcuts });
  }
  return proofs;
}

/** Types commands as `admin` where the learner would; a failing one ends them. */
async function type(sandbox: Sandbox, { run, commands }: Commands) {
  const place = (run === "vm" ? sandbox.machine() : sandbox.cluster())?.place;
  if (!place) throw new Error(`the sandbox has no ${run}`);
  const argv = ["/bin/bash", "-elc", commands];
  return await place.exec(argv, { user: "admin", timeoutMs: COMMANDS_MS });
}

/** The same; throws with its last words where it fails. */
export async function mustType(sandbox: Sandbox, step: Commands): Promise<void> {
  const { exitCode, stdout, stderr } = await type(sandbox, step);
  if (exitCode !== 0)
    throw new Error(`${shellQuote([step.commands])} ended with ${exitCode}: ${(stderr || stdout).trim()}`);
}

/** What a verdict says, in English. */
export function wordsOf(verdict: TaskVerdict): string {
  return verdict.conditions
    .map((condition) => {
      if (condition.state === "failed") return condition.found.en;
      return condition.state === "errored" ? `could not check: ${condition.reason.en}` : undefined;
    })
    .filter((words) => words !== undefined)
    .join(" | ");
}

/** The latest verdict of each task, to be waited for. */
class Verdicts {
  readonly #latest = new Map<string, TaskVerdict>();
  #changed = Promise.withResolvers<void>();

  add(verdict: TaskVerdict): void {
    this.#latest.set(verdict.taskId, verdict);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  forget(taskId: string): void {
    this.#latest.delete(taskId);
  }

  async until(
    taskId: string,
    isWanted: (verdict: TaskVerdict) => boolean,
    timeoutMs: number,
    what: string,
  ): Promise<TaskVerdict> {
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), timeoutMs);
    try {
      for (;;) {
        const latest = this.#latest.get(taskId);
        if (latest && isWanted(latest)) return latest;
        if ((await Promise.race([this.#changed.promise, late.promise])) !== "late") continue;
        const now = latest ? `${latest.state}: ${wordsOf(latest)}` : "no verdict at all";
        throw new Error(`${taskId}: waited ${timeoutMs / 1000} s for ${what}, but there is ${now}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
