import PQueue from "p-queue";
import type { Task } from "../labs/lab.ts";
import type { Evaluation } from "./evaluate.ts";
import type { TaskVerdict } from "./verdict.ts";

export interface TaskScheduleOptions {
  tasks: readonly Task[];
  passed: ReadonlySet<string>;
  /** Whether what the task looks at is at the lab's start. Before that it would be judged by what the lab is not yet. */
  isPrepared: (task: Task) => boolean;
  evaluate: (task: Task) => Promise<Evaluation>;
  onVerdict: (verdict: TaskVerdict) => void;
}

/** Events come in bursts; the first look comes this long after the first of them. */
const DEBOUNCE_MS = 60;
/** Looks after a look that found something that may change without an event, e.g. an application that is starting. */
const RECHECK_MS = [
  100, 150, 250, 400, 600, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 8_000, 8_000, 12_000, 15_000, 20_000,
  20_000, 30_000, 30_000,
];
/** A look that took no longer is taken for one moment. */
const QUICK_MS = 2_000;
/** So many looks in a row, then others get their turn. */
const MOST_LOOKS = 4;
/** Evaluations at the same time in one sandbox: a slow look into the VM must not hold up one at the cluster. */
const AT_ONCE = 3;

interface Entry {
  task: Task;
  isPassed: boolean;
  isRunning: boolean;
  /** How often something that concerns it may have changed. */
  touches: number;
  rechecks: number;
  timer: NodeJS.Timeout | undefined;
  dueAt: number;
  last: string | undefined;
}

/**
 * When which task is evaluated: those touched by an event soon after it, those that wait for something again and again
 * for a while, those that are locked, passed or not prepared never.
 */
export class TaskSchedule implements AsyncDisposable {
  readonly #options: TaskScheduleOptions;
  readonly #entries: Map<string, Entry>;
  readonly #queue = new PQueue({ concurrency: AT_ONCE });
  #isDisposed = false;

  constructor(options: TaskScheduleOptions) {
    this.#options = options;
    this.#entries = new Map(
      options.tasks.map((task) => [
        task.id,
        {
          task,
          isPassed: options.passed.has(task.id),
          isRunning: false,
          touches: 0,
          rechecks: 0,
          timer: undefined,
          dueAt: 0,
          last: undefined,
        },
      ]),
    );
  }

  isOpen(taskId: string): boolean {
    const entry = this.#entries.get(taskId);
    return (
      entry !== undefined &&
      !entry.isPassed &&
      this.#isUnlocked(entry.task) &&
      this.#options.isPrepared(entry.task)
    );
  }

  /** Something that concerns these tasks may have changed. */
  touch(isTouched: (task: Task) => boolean): void {
    for (const entry of this.#entries.values())
      if (this.isOpen(entry.task.id) && isTouched(entry.task)) {
        entry.rechecks = 0;
        entry.touches += 1;
        if (!entry.isRunning) this.#later(entry, DEBOUNCE_MS);
      }
  }

  /** Looks at once and reports like any other look. */
  async evaluate(taskId: string): Promise<TaskVerdict> {
    const entry = this.#entries.get(taskId);
    if (!entry) throw new RangeError(`there is no task ${taskId}`);
    return (await this.#look(entry)).verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  #isUnlocked(task: Task): boolean {
    return task.after.every((id) => this.#entries.get(id)?.isPassed === true);
  }

  /** In `ms` at the latest; what is due earlier stays so, and a stream of events can't put it off. */
  #later(entry: Entry, ms: number): void {
    const dueAt = performance.now() + ms;
    if (this.#isDisposed || (entry.timer && entry.dueAt <= dueAt)) return;
    clearTimeout(entry.timer);
    entry.dueAt = dueAt;
    entry.timer = setTimeout(() => void this.#queue.add(() => this.#work(entry)), ms);
  }

  async #work(entry: Entry): Promise<void> {
    entry.timer = undefined;
    entry.isRunning = true;
    const before = entry.touches;
    const { mayChangeSoon, verdict } = await this.#look(entry);
    entry.isRunning = false;
    if (!this.isOpen(entry.task.id)) return;
    if (entry.touches !== before) return this.#later(entry, DEBOUNCE_MS);
    const recheckMs = mayChangeSoon ? RECHECK_MS[entry.rechecks] : undefined;
    if (recheckMs === undefined) return;
    entry.rechecks += 1;
    // A VM that is slow to answer is not made faster by asking.
    this.#later(entry, Math.max(recheckMs, verdict.tookMs));
  }

  /**
   * A task with several conditions is not looked at in one moment. What changed in between could make a pass of two
   * halves that never were there together; so a pass counts when nothing happened during it, and a slow one twice.
   */
  async #settle(entry: Entry): Promise<{ evaluation: Evaluation; isSettled: boolean }> {
    for (let look = 1, isConfirmed = false; ; look += 1) {
      const before = entry.touches;
      const evaluation = await this.#options.evaluate(entry.task);
      const { state, tookMs } = evaluation.verdict;
      if (state !== "passed") return { evaluation, isSettled: true };
      const isCalm = entry.touches === before;
      if (isCalm && (isConfirmed || tookMs <= QUICK_MS)) return { evaluation, isSettled: true };
      if (look === MOST_LOOKS || this.#isDisposed) return { evaluation, isSettled: false };
      isConfirmed = isCalm;
    }
  }

  async #look(entry: Entry): Promise<Evaluation> {
    const { evaluation, isSettled } = await this.#settle(entry);
    const { verdict } = evaluation;
    if (this.#isDisposed || entry.isPassed || !isSettled) return evaluation;
    const isOpen = this.#isUnlocked(entry.task);
    const now = JSON.stringify([verdict.state, verdict.conditions]);
    if (!isOpen || now === entry.last) return evaluation;
    entry.last = now;
    entry.isPassed = verdict.state === "passed";
    this.#options.onVerdict(verdict);
    // What waited for this task is open now.
    if (entry.isPassed) this.touch((task) => task.after.includes(entry.task.id));
    return evaluation;
  }
}
