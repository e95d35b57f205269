import type { Logger } from "pino";
import { toLabError } from "../../sandboxes/errors.ts";
import type { SandboxService } from "../../sandboxes/sandbox.ts";
import type { Turns } from "../../sandboxes/turns.ts";
import { settledWithin } from "../../sandboxes/waiting.ts";
import type { PrepareLab, WatchTasks } from "../checks/task-watcher.ts";
import type { TaskVerdict } from "../checks/verdict.ts";
import type { Lab, WorldName } from "../labs/lab.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Attempt, Store } from "../store/store.ts";
import type { TerminalHub } from "../terminal/hub.ts";
import { LabRun } from "./lab-run.ts";

/** How long a stopping server waits for what it does in the background; the next one sweeps what is left. */
const STOP_TIMEOUT_MS = 10_000;
/** How long a lab may take to end before its sandbox goes all the same; what hangs there ends with it. */
const RUN_END_MS = 5_000;

export interface RunsDeps {
  store: Store;
  sandboxes: SandboxService;
  watchTasks: WatchTasks;
  prepareLab: PrepareLab;
  hub: TerminalHub;
  metrics: Metrics;
  log: Logger;
  turns: Turns;
  onChange(attemptId: string): void;
}

/** The labs that run in sandboxes now, by attempt. */
export class Runs implements AsyncDisposable {
  readonly #deps: RunsDeps;
  readonly #runs = new Map<string, LabRun>();
  readonly #background = new Set<Promise<unknown>>();

  constructor(deps: RunsDeps) {
    this.#deps = deps;
  }

  of(attemptId: string): LabRun | undefined {
    return this.#runs.get(attemptId);
  }

  /** Runs the attempt's lab in its sandbox, from where the store says it was. False where that sandbox is gone. */
  async resume(attempt: Attempt, lab: Lab): Promise<boolean> {
    const { store, sandboxes, prepareLab, watchTasks, log, onChange } = this.#deps;
    const { id, round, isPrepared, sandboxId } = attempt;
    const sandbox = sandboxId === undefined ? undefined : sandboxes.get(sandboxId);
    if (!sandbox) return false;
    const evidence = await store.latestEvidence(id, round);
    const passed = evidence.filter((one) => one.state === "passed").map((one) => one.taskId);
    const run: LabRun = new LabRun({
      lab,
      sandbox,
      isPrepared,
      passed: new Set(passed),
      prepareLab,
      watchTasks,
      log,
      onPrepared: (world) => this.#prepared(id, sandbox.id, world),
      onVerdict: (verdict) => {
        if (this.#runs.get(id) === run) this.inBackground(this.#record(id, round, verdict));
      },
      onChange: () => onChange(id),
    });
    this.#runs.set(id, run);
    run.begin();
    return true;
  }

  /** Ends what runs in the sandbox and destroys it, whatever the learner has made of it. */
  async remove(attemptId: string, sandboxId: string): Promise<void> {
    const run = this.#runs.get(attemptId);
    const isItsRun = run?.sandbox.id === sandboxId;
    if (isItsRun) this.#runs.delete(attemptId);
    this.#deps.hub.forget(sandboxId);
    if (isItsRun) {
      const end = run[Symbol.asyncDispose]();
      this.inBackground(end);
      await settledWithin(RUN_END_MS, end);
    }
    await this.#deps.sandboxes.destroy(sandboxId);
  }

  /** What no request waits for: the log tells when it fails. */
  inBackground(work: Promise<unknown>): void {
    const settled = work
      .catch((error: unknown) => this.#deps.log.error({ err: toLabError(error) }, "background work failed"))
      .finally(() => this.#background.delete(settled));
    this.#background.add(settled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#runs.values()) this.inBackground(run[Symbol.asyncDispose]());
    await settledWithin(STOP_TIMEOUT_MS, Promise.all(this.#background));
  }

  async #prepared(attemptId: string, sandboxId: string, world: WorldName): Promise<void> {
    const { store, turns } = this.#deps;
    await turns.run(attemptId, async () => {
      // A reset may have come first: then it is another sandbox's turn.
      const attempt = await store.attempt(attemptId);
      if (attempt?.sandboxId !== sandboxId) return;
      await store.updateAttempt(attemptId, { isPrepared: { ...attempt.isPrepared, [world]: true } });
    });
  }

  async #record(attemptId: string, round: number, verdict: TaskVerdict): Promise<void> {
    const { store, metrics, onChange } = this.#deps;
    metrics.verdictSeconds.observe({ state: verdict.state }, verdict.tookMs / 1000);
    const hintsUsed = (await store.hintsRevealed(attemptId)).get(verdict.taskId) ?? 0;
    await store.addEvidence({ ...verdict, attemptId, round, hintsUsed });
    onChange(attemptId);
  }
}
