import type { Duplex } from "node:stream";
import { LabError } from "../../sandboxes/errors.ts";

/**
 * Connections of one attempt that are open or being opened. Each is a process at Docker and in the sandbox's container,
 * which may have 1,024. A browser opens six for a page.
 */
const PER_ATTEMPT = 32;

/** Keeps one attempt's web services from using up what all sandboxes share. */
export class ConnectionLimit {
  readonly #open = new Map<string, number>();

  /** @throws LabError `too_many_requests`, and whatever `connect` throws */
  async connect(attemptId: string, connect: () => Promise<Duplex>): Promise<Duplex> {
    const open = this.#open.get(attemptId) ?? 0;
    if (open >= PER_ATTEMPT)
      throw new LabError("too_many_requests", `${open} connections into this sandbox are open already`, {
        hint: "try again in a moment",
      });
    this.#open.set(attemptId, open + 1);
    try {
      const stream = await connect();
      if (stream.closed) this.#release(attemptId);
      else stream.once("close", () => this.#release(attemptId));
      return stream;
    } catch (error) {
      this.#release(attemptId);
      throw error;
    }
  }

  #release(attemptId: string): void {
    const left = (this.#open.get(attemptId) ?? 1) - 1;
    if (left === 0) this.#open.delete(attemptId);
    else this.#open.set(attemptId, left);
  }
}
