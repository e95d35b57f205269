import type { Hardware } from "../../sandboxes/machine/machine.ts";
import type { SandboxService } from "../../sandboxes/sandbox.ts";
import type { TerminalHub } from "../terminal/hub.ts";
import type { Attempts } from "./attempts.ts";

export interface SandboxControlsDeps {
  attempts: Attempts;
  sandboxes: SandboxService;
  hub: TerminalHub;
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
    await this.#do(attemptId, ({ id }) => this.#deps.sandboxes.repair(id));
    this.#deps.attempts.retrySetup(attemptId);
  }

  /** Also where it fails, terminals find out what became of them. */
  async #do(attemptId: string, work: (sandbox: { id: string }) => Promise<void>): Promise<void> {
    const { attempts, hub } = this.#deps;
    const sandbox = attempts.sandboxOf(attemptId);
    try {
      await work(sandbox);
    } finally {
      hub.reattach(sandbox.id);
      attempts.changed(attemptId);
    }
  }
}
