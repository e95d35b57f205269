import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { LabError, toLabError } from "../sandboxes/errors.ts";
import type { Readiness } from "./observe/endpoints.ts";

const RETRY_MS = 3_000;

/** How long a request waits for the server to be ready before it is told to come back. */
const WAIT_MS = 20_000;

/** The taking up of what an earlier server left: it is tried until it works, and requests wait for it. */
export class Recovery {
  readonly #recover: () => Promise<void>;
  readonly #log: Logger;
  readonly #ready = Promise.withResolvers<void>();
  #readiness: Readiness = { isReady: false, reason: "taking up the sandboxes" };

  constructor(recover: () => Promise<void>, log: Logger) {
    this.#recover = recover;
    this.#log = log;
  }

  get readiness(): Readiness {
    return this.#readiness;
  }

  /** Resolves when it has worked. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Returns when it has worked, or when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#recover();
        this.#readiness = { isReady: true, reason: undefined };
        this.#ready.resolve();
        return;
      } catch (error) {
        const failure = toLabError(error);
        this.#log.error({ err: failure }, "sandboxes not taken up, trying again");
        this.#readiness = { isReady: false, reason: failure.toString() };
      }
      await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** @throws LabError `timed_out` with what stands in the way */
  async untilReady(): Promise<void> {
    if (this.#readiness.isReady) return;
    const stop = new AbortController();
    const late = setTimeout(WAIT_MS, "late", { signal: stop.signal }).catch(() => "late");
    const first = await Promise.race([this.#ready.promise, late]);
    stop.abort();
    if (first === "late")
      throw new LabError("timed_out", `the lab server is still starting: ${this.#readiness.reason}`, {
        hint: "try again in a minute",
      });
  }
}
