import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Lab, WorldName } from "../labs/lab.ts";
import type { TaskVerdict } from "./verdict.ts";

export interface TaskWatcherOptions {
  lab: Lab;
  sandbox: Sandbox;
  /** Tasks passed earlier: they stay passed and are not evaluated. */
  passed: ReadonlySet<string>;
  /** Worlds that are at the lab's start already; both when absent. */
  prepared?: readonly WorldName[];
  /** Called for each evaluation of an open task whose result differs from the one before. */
  onVerdict: (verdict: TaskVerdict) => void;
  /** The safety sweep's period; `null` leaves it out, so that a test sees what events alone do. */
  sweepMs?: number | null;
}

/**
 * Watches one sandbox for changes (a Kubernetes watch, events of the guest) and re-evaluates the tasks they touch; a
 * safety sweep at most once a minute catches what no event tells. Never `kubectl` in a loop.
 */
export interface TaskWatcher extends AsyncDisposable {
  /**
   * This world is at the lab's start: from here on it is watched, and tasks are judged that look at no other. Safe to
   * repeat.
   */
  begin(world: WorldName): void;
  /** Evaluates an open task at once, e.g. when the learner asks. */
  evaluate(taskId: string): Promise<TaskVerdict>;
  /** Resolves when every event source that the lab needs has been listening once. */
  readonly listening: Promise<void>;
}

export type WatchTasks = (options: TaskWatcherOptions) => TaskWatcher;
/**
 * Runs the lab's `setup` of one world, which must be there, in its order.
 * @throws LabError `check_errored` with the script's last words.
 */
export type PrepareLab = (lab: Lab, sandbox: Sandbox, world: WorldName, signal: AbortSignal) => Promise<void>;
