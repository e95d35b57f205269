import type PQueue from "p-queue";
import { LabError, toLabError } from "../errors.ts";
import type { LiveSandbox } from "./live-sandbox.ts";

export interface SandboxPoolDeps {
  /** Sandboxes it keeps, ready or in the making. */
  size: number;
  /** It is filled once this resolves; at once where there is nothing to wait for. */
  mayFill: Promise<void> | undefined;
  /** Filling waits its turn among the claims, or both would take the last room. */
  claims: PQueue;
  hasRoom(): Promise<boolean>;
  /** Gives a sandbox whose bring-up is queued; `dropIfFailed` is to be called when that is over. */
  make(): LiveSandbox;
  /** Never rejects: nobody waits for it. */
  remove(sandbox: LiveSandbox): Promise<void>;
  onTrouble(error: LabError, sandboxId: string | undefined): void;
  /** Nothing is added once it aborts. */
  signal: AbortSignal;
}

/** Sandboxes made before anybody asks, so that the next learners need not wait for a bring-up. */
export class SandboxPool {
  readonly #deps: SandboxPoolDeps;
  /** Ready or in the making. */
  readonly #members = new Set<LiveSandbox>();
  #mayFill: boolean;

  constructor(deps: SandboxPoolDeps) {
    this.#deps = deps;
    this.#mayFill = deps.mayFill === undefined;
  }

  /** Fills it, and again when what it waits for is there. */
  start(): void {
    void this.#deps.mayFill?.then(() => {
      this.#mayFill = true;
      this.fill();
    });
    this.fill();
  }

  /** Makes what it lacks, as far as there is room. Returns at once; a failure goes to `onTrouble`. */
  fill(): void {
    const { size, claims, hasRoom, make, onTrouble, signal } = this.#deps;
    void claims
      .add(async () => {
        while (this.#mayFill && !signal.aborted && this.#members.size < size) {
          if (!(await hasRoom())) return;
          this.#members.add(make());
        }
      })
      .catch((error: unknown) => onTrouble(toLabError(error), undefined));
  }

  /**
   * Gives a sandbox to a learner: one that is up, or else the first in the queue of bring-ups, so that learners stay
   * ahead of the pool there. `undefined` where there is none.
   */
  take(): LiveSandbox | undefined {
    const members = [...this.#members].filter((one) => !one.hasFailed);
    const best = members.find((one) => one.isUp) ?? members[0];
    if (!best) return undefined;
    this.#members.delete(best);
    return best;
  }

  /** The sandbox is no member any more, if it was one. */
  forget(sandbox: LiveSandbox): void {
    this.#members.delete(sandbox);
  }

  /** A member that failed is not tried again at once: the next claim or end does, so that a broken host is not kept busy. */
  async dropIfFailed(sandbox: LiveSandbox): Promise<void> {
    if (!sandbox.hasFailed || !this.#members.has(sandbox)) return;
    const { failure } = await sandbox.inspect();
    if (failure)
      this.#deps.onTrouble(new LabError("internal", failure.message, withHint(failure.hint)), sandbox.id);
    this.#members.delete(sandbox);
    await this.#deps.remove(sandbox);
  }
}

function withHint(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint };
}
