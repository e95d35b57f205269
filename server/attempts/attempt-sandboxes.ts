import type { Placement } from "../../sandboxes/cluster/cluster.ts";
import { LabError } from "../../sandboxes/errors.ts";
import { isUntouched, type Sandbox } from "../../sandboxes/sandbox.ts";
import type { Lab } from "../labs/lab.ts";
import type { AttemptView, SandboxAction } from "../protocol/views.ts";
import type { Settings } from "../settings.ts";
import type { Attempt } from "../store/store.ts";
import type { AttemptFacts } from "./attempt-view.ts";
import type { LabCatalogue } from "./lab-catalogue.ts";
import { minutesAfter } from "./minutes-after.ts";
import { Runs, type RunsDeps } from "./runs.ts";
import { lostSandbox } from "./sandbox-view.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface AttemptSandboxesDeps extends RunsDeps {
  settings: Pick<Settings, "attemptMinutes">;
  placement: Placement;
  labs: LabCatalogue;
  clock: () => Date;
}

/** Gives sandboxes to attempts, in the order in which they wait, runs their labs in them, and takes them back. */
export class AttemptSandboxes implements AsyncDisposable {
  readonly #deps: AttemptSandboxesDeps;
  readonly #runs: Runs;
  readonly #line: WaitingLine;
  /** Sandboxes on their way out after the last reset, by attempt. */
  readonly #resetting = new Map<string, string>();

  constructor(deps: AttemptSandboxesDeps) {
    this.#deps = deps;
    this.#runs = new Runs(deps);
    this.#line = new WaitingLine({
      ...deps,
      give: ({ id }, sandbox) => deps.turns.run(id, () => this.#give(id, sandbox)),
    });
  }

  /** Goes on in the sandbox that an attempt had under an earlier server, if it had one. */
  async takeUp(attempt: Attempt, lab: Lab): Promise<void> {
    const { store, log } = this.#deps;
    const { id, sandboxId, isPrepared } = attempt;
    if (sandboxId === undefined || (await this.#runs.resume(attempt, lab))) return;
    log.warn({ attempt: id, sandbox: sandboxId }, "sandbox is gone");
    // Nothing of the learner's was in it yet: it is replaced without a word.
    if (isUntouched(isPrepared)) await store.updateAttempt(id, { sandboxId: undefined });
  }

  /** @throws LabError `conflict` while there is none. */
  of(attemptId: string): Sandbox {
    const sandbox = this.#runs.of(attemptId)?.sandbox;
    if (!sandbox)
      throw new LabError("conflict", "this attempt has no sandbox now", {
        hint: "wait until it has one, or reset the lab",
      });
    return sandbox;
  }

  /** What is known now of the attempt's sandbox, or of its way to one. */
  async look(
    attempt: Attempt,
  ): Promise<
    Pick<AttemptFacts, "state" | "queuePosition" | "sandbox" | "labStarts" | "action" | "actionFailure">
  > {
    const { id, sandboxId, startedAt } = attempt;
    const run = this.#runs.of(id);
    const inspection = await run?.inspect();
    const state = this.#stateOf(attempt);
    const lost = sandboxId && lostSandbox(sandboxId, this.#deps.placement, startedAt);
    return {
      state,
      queuePosition: state === "queued" ? this.#line.positionOf(id) : undefined,
      sandbox: inspection ?? (lost || undefined),
      labStarts: run?.labStarts ?? { vm: { state: "waiting" }, cluster: { state: "waiting" } },
      action: run?.actions.current,
      actionFailure: run?.actions.failure,
    };
  }

  /** Gives sandboxes while there is room. Answers what else than room stood in the way. */
  async serve(): Promise<LabError | undefined> {
    return await this.#line.serve();
  }

  /** The same, where anybody waits. */
  async serveWaiting(): Promise<void> {
    if (this.#line.length > 0) await this.#line.serve();
  }

  /** See `SandboxActions.run`. */
  async act(attemptId: string, action: SandboxAction, work: () => Promise<void>): Promise<void> {
    await this.#runs.of(attemptId)?.actions.run(action, work);
  }

  /** Begins the lab's set-up again where it failed. */
  retrySetup(attemptId: string): void {
    this.#runs.of(attemptId)?.begin();
  }

  /** In the background: removing takes seconds, and whoever waits gets the room. */
  remove(attemptId: string, sandboxId: string): void {
    const removal = this.#runs.remove(attemptId, sandboxId).finally(() => {
      // A later reset has another one to wait for.
      if (this.#resetting.get(attemptId) === sandboxId) this.#resetting.delete(attemptId);
    });
    this.#runs.inBackground(removal.then(() => this.#line.serve()));
  }

  /** The same for a reset: until the old sandbox is gone or there is a new one, the attempt is `resetting`. */
  replace(attemptId: string, sandboxId: string): void {
    this.#resetting.set(attemptId, sandboxId);
    this.remove(attemptId, sandboxId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line.stop();
    await this.#runs[Symbol.asyncDispose]();
  }

  async #give(attemptId: string, sandbox: Sandbox): Promise<void> {
    const { store, clock, settings, sandboxes, labs } = this.#deps;
    const attempt = await store.attempt(attemptId);
    const lab = attempt && labs.find(attempt.labId);
    // It ended while its sandbox was being found.
    if (!attempt || attempt.endedAt || attempt.sandboxId !== undefined || !lab)
      return await sandboxes.destroy(sandbox.id);
    const now = clock();
    const hasWaited = attempt.round === 1 && attempt.extensions === 0;
    const change = {
      sandboxId: sandbox.id,
      lastActivityAt: now,
      // Waiting for room costs nobody's time.
      endsAt: hasWaited ? minutesAfter(now, settings.attemptMinutes) : attempt.endsAt,
    };
    await store.updateAttempt(attemptId, change);
    await this.#runs.resume({ ...attempt, ...change }, lab);
  }

  #stateOf(attempt: Attempt): AttemptView["state"] {
    if (attempt.endedAt) return "ended";
    if (attempt.sandboxId !== undefined) return "running";
    return this.#resetting.has(attempt.id) ? "resetting" : "queued";
  }
}
