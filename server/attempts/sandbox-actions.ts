import type { Logger } from "pino";
import { type LabError, toLabError } from "../../sandboxes/errors.ts";
import type { SandboxAction } from "../protocol/views.ts";

export interface SandboxActionsDeps {
  sandboxId: string;
  log: Logger;
  /** One has begun. */
  onBegin(): void;
  /** One is over, and the sandbox may be another than before. */
  onEnd(): void;
}

/** What is being done to one sandbox at somebody's word, and how the last of it failed. */
export class SandboxActions {
  readonly #deps: SandboxActionsDeps;
  /** In the order in which they were asked for. */
  readonly #underWay = new Map<SandboxAction, Promise<void>>();
  #failure: LabError | undefined;

  constructor(deps: SandboxActionsDeps) {
    this.#deps = deps;
  }

  /** The oldest that is under way. */
  get current(): SandboxAction | undefined {
    return this.#underWay.keys().next().value;
  }

  /** How the last one failed, until the next begins: it may outlast whoever asked for it. */
  get failure(): LabError | undefined {
    return this.#failure;
  }

  /** Has `work` done. Whoever asks for the same while it goes on waits for it as well. */
  async run(action: SandboxAction, work: () => Promise<void>): Promise<void> {
    let done = this.#underWay.get(action);
    if (!done) {
      this.#failure = undefined;
      done = this.#run(action, work);
      this.#underWay.set(action, done);
      this.#deps.onBegin();
    }
    await done;
  }

  async #run(action: SandboxAction, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const failure = toLabError(error);
      if (failure.code !== "aborted") {
        this.#failure = failure;
        const { log, sandboxId } = this.#deps;
        log.warn({ err: failure, sandbox: sandboxId, action }, "an action failed");
      }
      throw error;
    } finally {
      this.#underWay.delete(action);
      this.#deps.onEnd();
    }
  }
}
