import type { Store } from "../store/store.ts";

/** Activity is written at most so often; a killed server forgets no more than this. */
const WRITE_EVERY_MS = 15_000;

/** When each open attempt was last touched: by typing, or by a request that changes something. */
export class Activity {
  readonly #store: Store;
  readonly #clock: () => Date;
  readonly #last = new Map<string, { at: Date; writtenAt: number }>();

  constructor(store: Store, clock: () => Date) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Cheap enough for every keystroke. */
  touch(attemptId: string): void {
    const at = this.#clock();
    const writtenAt = this.#last.get(attemptId)?.writtenAt ?? 0;
    this.#last.set(attemptId, { at, writtenAt });
  }

  /** The later of what is known here and what the store says. */
  last(attemptId: string, stored: Date): Date {
    const known = this.#last.get(attemptId)?.at;
    return known && known > stored ? known : stored;
  }

  forget(attemptId: string): void {
    this.#last.delete(attemptId);
  }

  /** Writes what is due; `everything` at the end. */
  async write(everything = false): Promise<void> {
    const now = this.#clock().getTime();
    for (const [attemptId, entry] of this.#last) {
      const isNews = entry.at.getTime() > entry.writtenAt;
      if (!isNews || (!everything && now - entry.writtenAt < WRITE_EVERY_MS)) continue;
      entry.writtenAt = now;
      await this.#store.updateAttempt(attemptId, { lastActivityAt: entry.at });
    }
  }
}
