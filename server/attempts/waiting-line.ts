import PQueue from "p-queue";
import type { Logger } from "pino";
import { type LabError, toLabError } from "../../sandboxes/errors.ts";
import type { Sandbox, SandboxService } from "../../sandboxes/sandbox.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Attempt, Store } from "../store/store.ts";

export interface WaitingLineDeps {
  store: Store;
  sandboxes: SandboxService;
  metrics: Metrics;
  log: Logger;
  /** An attempt's turn has come. */
  give(attempt: Attempt, sandbox: Sandbox): Promise<void>;
  onChange(attemptId: string): void;
}

/** Attempts without a sandbox, oldest first. The store knows them; here is the order they are served in. */
export class WaitingLine {
  readonly #deps: WaitingLineDeps;
  /** Sandboxes are given one after the other, or a newcomer could overtake. */
  readonly #turns = new PQueue({ concurrency: 1 });
  #waiting: string[] = [];
  #isStopped = false;

  constructor(deps: WaitingLineDeps) {
    this.#deps = deps;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** 1 is next; `undefined` for who does not wait. */
  positionOf(attemptId: string): number | undefined {
    const index = this.#waiting.indexOf(attemptId);
    return index < 0 ? undefined : index + 1;
  }

  /** Gives sandboxes while there is room. Answers what else than room stood in the way. */
  async serve(): Promise<LabError | undefined> {
    return await this.#turns.add(() => this.#serve());
  }

  /** Lets what is being given be given, and serves nobody any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#turns.onIdle();
  }

  async #serve(): Promise<LabError | undefined> {
    const { store, onChange } = this.#deps;
    const before = this.#waiting;
    const attempts = (await store.openAttempts()).filter((attempt) => attempt.sandboxId === undefined);
    this.#waiting = attempts.map((attempt) => attempt.id);
    let trouble: LabError | undefined;
    for (const attempt of attempts) {
      if (this.#isStopped) break;
      const failure = await this.#serveOne(attempt);
      if (failure) {
        if (failure.code !== "no_room") trouble = failure;
        break;
      }
      this.#waiting = this.#waiting.filter((id) => id !== attempt.id);
    }
    for (const id of new Set([...before, ...attempts.map((attempt) => attempt.id)])) onChange(id);
    return trouble;
  }

  async #serveOne(attempt: Attempt): Promise<LabError | undefined> {
    const { sandboxes, metrics, log, give } = this.#deps;
    try {
      const sandbox = await sandboxes.claim();
      try {
        await give(attempt, sandbox);
      } catch (error) {
        await this.#takeBack(attempt, sandbox);
        throw error;
      }
      metrics.claims.inc({ outcome: "given" });
      return undefined;
    } catch (error) {
      const failure = toLabError(error);
      const isFull = failure.code === "no_room";
      metrics.claims.inc({ outcome: isFull ? "no_room" : "failed" });
      if (!isFull) log.error({ err: failure, attempt: attempt.id }, "no sandbox");
      return failure;
    }
  }

  /** A sandbox that could not be given belongs to nobody, unless the store has kept who has it. */
  async #takeBack(attempt: Attempt, sandbox: Sandbox): Promise<void> {
    const { store, sandboxes, log } = this.#deps;
    const kept = await store.attempt(attempt.id).catch((error: unknown) => {
      log.error({ err: toLabError(error), attempt: attempt.id }, "store not read");
      return { sandboxId: undefined };
    });
    if (kept?.sandboxId === sandbox.id) return;
    await sandboxes.destroy(sandbox.id).catch((error: unknown) => {
      log.error({ err: toLabError(error), sandbox: sandbox.id }, "sandbox not taken back");
    });
  }
}
