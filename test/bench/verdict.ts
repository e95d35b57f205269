import { setTimeout as delay } from "node:timers/promises";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { prepareLab } from "../../server/checks/prepare-lab.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import { type Commands, type Lab, type Task, WORLD_NAMES, type WorldName } from "../../server/labs/lab.ts";
import { type Trial, trials } from "../labs/first-crossing-again.ts";
import { mustType } from "../labs/prove-lab.ts";
import { type Measurement, percentile } from "./result.ts";

/** The longest one verdict may take before the measurement is given up. */
const VERDICT_MS = 60_000;
/** As far apart as a person's changes are. */
const PAUSE_MS = 3_000;

export interface VerdictOptions {
  lab: Lab;
  /** How often each task is solved. */
  samples: number;
  /** In which worlds changes are measured; the tasks of the others are only solved, since later ones build on them. */
  worlds: readonly WorldName[];
  log(line: string): void;
}

/**
 * Milliseconds from a change to the verdict that sees it, of every task of the lab, as a learner who goes through it in
 * order has them: the whole lab is watched, by events alone, and the tasks before are passed. The time begins when the
 * solution's commands have ended, and where Kubernetes goes on by itself after them, when `kubectl rollout status` has:
 * how long a rollout takes is not ours, how long a restarted service takes to answer is.
 *
 * A row for each task, `verdict_vm_start_the_service` and so on; and since the goal is one for each of them,
 * `verdict_vm` and `verdict_cluster` have the samples of the slowest: the one with the highest p95 whose change is made
 * in that world.
 */
export async function measureVerdicts(sandbox: Sandbox, options: VerdictOptions): Promise<Measurement[]> {
  const { lab, samples, worlds, log } = options;
  await Promise.all(
    WORLD_NAMES.map((world) => prepareLab(lab, sandbox, world, AbortSignal.timeout(600_000))),
  );
  const rows: (Measurement & { world: WorldName })[] = [];
  for (const task of lab.tasks) {
    const trial = trials[task.id];
    const world = task.solution[0]?.run;
    if (!trial || !world) throw new Error(`nobody knows how to solve \`${task.id}\` again and again`);
    if (!worlds.includes(world)) {
      await type(sandbox, task.solution, trial.settle);
      continue;
    }
    const name = `verdict_${world}_${task.id.replaceAll("-", "_")}`;
    const measured = await measureTask(sandbox, lab, task, trial, samples);
    log(`${name}: ${measured.map(Math.round).join(", ")} ms`);
    rows.push({ name, unit: "ms", world, samples: measured });
  }
  await type(sandbox, leaveQuiet);
  const slowest = worlds.flatMap((world) => {
    const [first, ...others] = rows.filter((one) => one.world === world);
    if (!first) return [];
    const p95 = ({ samples }: Measurement) => percentile(samples, 0.95);
    const { samples } = others.reduce((most, one) => (p95(one) > p95(most) ? one : most), first);
    return [{ name: `verdict_${world}`, unit: "ms" as const, samples }];
  });
  return [...slowest, ...rows.map(({ world: _, ...row }) => row)];
}

/** What is measured after it in the same sandbox is not to share its processors with the lab's Pods. */
const leaveQuiet: readonly Commands[] = [
  { run: "cluster", commands: "kubectl -n inventory delete deployment,service --all --cascade=foreground" },
];

async function measureTask(
  sandbox: Sandbox,
  lab: Lab,
  task: Task,
  { undo, settle, nth }: Trial,
  count: number,
): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index > 0) await type(sandbox, undo);
    const now = nth?.(task, index) ?? task;
    const tasks = lab.tasks.map((one) => (one.id === task.id ? now : one));
    samples.push(await measureOnce(sandbox, { ...lab, tasks }, now, settle));
  }
  return samples;
}

async function measureOnce(
  sandbox: Sandbox,
  lab: Lab,
  task: Task,
  settle: Commands | undefined,
): Promise<number> {
  const failed = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<number>();
  let latest = "";
  const before = lab.tasks.slice(0, lab.tasks.indexOf(task));
  await using watcher = watchTasks({
    lab,
    sandbox,
    passed: new Set(before.map(({ id }) => id)),
    sweepMs: null,
    onVerdict: ({ taskId, state, conditions }) => {
      if (taskId !== task.id) return;
      latest = JSON.stringify(conditions);
      if (state === "passed") passed.resolve(performance.now());
      else if (state === "failed") failed.resolve();
    },
  });
  const because = () => `; the latest verdict: ${latest || "none"}`;
  await within(watcher.listening, `the watches of \`${task.id}\``, because);
  await within(failed.promise, `\`${task.id}\` to be looked at`, because);
  await delay(PAUSE_MS);
  await type(sandbox, task.solution, settle);
  const changedAt = performance.now();
  return Math.max(0, (await within(passed.promise, `the verdict of \`${task.id}\``, because)) - changedAt);
}

async function type(sandbox: Sandbox, steps: readonly Commands[], settle?: Commands): Promise<void> {
  for (const step of settle ? [...steps, settle] : steps) await mustType(sandbox, step);
}

async function within<T>(promise: Promise<T>, what: string, because: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`waited ${VERDICT_MS / 1000} s for ${what}${because()}`)),
    VERDICT_MS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
