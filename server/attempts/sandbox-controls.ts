import type { Hardware } from "../../sandboxes/machine/machine.ts";
import type { SandboxService } from "../../sandboxes/sandbox.ts";
import { settledWithin } from "../../sandboxes/waiting.ts";
import type { SandboxAction } from "../protocol/views.ts";
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
    await this.#do(attemptId, action, (id) => this.#deps.sandboxes.power(id, action));
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
    await this.#do(attemptId, "repair", async (id) => {
      await sandboxes.repair(id);
      attempts.retrySetup(attemptId);
    });
  }

  /** Waits for the work, but not for ever: that it goes on, or how it failed, is in the attempt's view. */
  async #do(
    attemptId: string,
    action: SandboxAction,
    work: (sandboxId: string) => Promise<void>,
  ): Promise<void> {
    const { attempts, hub, answerMs = ANSWER_MS } = this.#deps;
    const { id } = attempts.sandboxOf(attemptId);
    const done = attempts
      .act(attemptId, action, () => work(id))
      // Also where it fails, terminals find out what became of them.
      .finally(() => hub.reattach(id));
    await Promise.race([done, settledWithin(answerMs, done)]);
  }
}
