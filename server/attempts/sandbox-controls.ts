import type { Logger } from "pino";
import { toLabError } from "../../sandboxes/errors.ts";
import type { Hardware } from "../../sandboxes/machine/machine.ts";
import type { SandboxService } from "../../sandboxes/sandbox.ts";
import { settledWithin } from "../../sandboxes/waiting.ts";
import type { TerminalHub } from "../terminal/hub.ts";
import type { Attempts } from "./attempts.ts";

/**
 * A repair may take half an hour. Proxies give up on an answer after a minute, Node's fetch after five: what is not done
 * by then goes on without whoever asked, and the attempt's view tells of it.
 */
const ANSWER_MS = 45_000;

export interface SandboxControlsDeps {
  attempts: Attempts;
  sandboxes: SandboxService;
  hub: TerminalHub;
  log: Logger;
  /** Longest that an answer waits for what it set off; 45 s when absent. */
  answerMs?: number | undefined;
}

/** What a learner does to the sandbox of an attempt from outside, as at any hypervisor. */
export class SandboxControls {
  readonly #deps: SandboxControlsDeps;

  constructor(deps: SandboxControlsDeps) {
    this.#deps = deps;
  }

  /** @throws LabError `conflict` while there is no sandbox */
  async power(attemptId: string, action: "on" | "off" | "plug" | "reset"): Promise<void> {
    await this.#do(attemptId, ({ id }) => this.#deps.sandboxes.power(id, action));
  }

  /** Takes effect at the next power-on. @throws LabError `conflict`, `no_room` */
  async resize(attemptId: string, hardware: Hardware): Promise<void> {
    const { attempts, sandboxes } = this.#deps;
    await sandboxes.resize(attempts.sandboxOf(attemptId).id, hardware);
    attempts.changed(attemptId);
  }

  /** Brings back what has stopped, the lab's set-up included. @throws LabError `conflict` */
  async repair(attemptId: string): Promise<void> {
    const { attempts, sandboxes } = this.#deps;
    await this.#do(attemptId, ({ id }) => attempts.repair(attemptId, () => sandboxes.repair(id)));
  }

  /** Waits for the work, but not for ever; what fails later is in the sandbox's state, and in the log. */
  async #do(attemptId: string, work: (sandbox: { id: string }) => Promise<void>): Promise<void> {
    const { attempts, log, answerMs = ANSWER_MS } = this.#deps;
    const sandbox = attempts.sandboxOf(attemptId);
    let isAwaited = true;
    const done = this.#done(attemptId, sandbox.id, work(sandbox)).catch((error: unknown) => {
      if (isAwaited) throw error;
      log.error({ err: toLabError(error), sandbox: sandbox.id }, "failed after the answer");
    });
    await Promise.race([done, settledWithin(answerMs, done)]);
    isAwaited = false;
  }

  /** Also where it fails, terminals find out what became of them. */
  async #done(attemptId: string, sandboxId: string, work: Promise<void>): Promise<void> {
    const { attempts, hub } = this.#deps;
    try {
      await work;
    } finally {
      hub.reattach(sandboxId);
      attempts.changed(attemptId);
    }
  }
}
