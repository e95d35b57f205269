import { setTimeout as delay } from "node:timers/promises";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** What is to be removed; safe to repeat. */
export interface Removable {
  readonly id: string;
  destroy(): Promise<void>;
}

/** Removes sandboxes. One that can't be removed, as while Docker is away, is tried again until nothing of it is left. */
export class Removals<T extends Removable> {
  readonly #onGone: (removed: T) => void;
  readonly #signal: AbortSignal;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #left = new Set<T>();
  #nudge = Promise.withResolvers<void>();
  #isTrying = false;

  constructor(onGone: (removed: T) => void, signal: AbortSignal) {
    this.#onGone = onGone;
    this.#signal = signal;
  }

  /** Throws where the first try fails; the others are nobody's to wait for. */
  async remove(removable: T): Promise<void> {
    try {
      await this.#once(removable);
    } catch (error) {
      this.#left.add(removable);
      void this.#tryAgain();
      throw error;
    }
  }

  /** What stood in the way may be over. */
  retryNow(): void {
    this.#nudge.resolve();
  }

  async #once(removable: T): Promise<void> {
    const { id } = removable;
    const removal =
      this.#underWay.get(id) ?? removable.destroy().finally(() => void this.#underWay.delete(id));
    this.#underWay.set(id, removal);
    await removal;
    this.#left.delete(removable);
    this.#onGone(removable);
  }

  async #tryAgain(): Promise<void> {
    if (this.#isTrying) return;
    this.#isTrying = true;
    // A nudge from before was for nobody.
    this.#nudge = Promise.withResolvers();
    let pauseMs = FIRST_PAUSE_MS;
    while (this.#left.size > 0 && !this.#signal.aborted) {
      const pause = delay(pauseMs, undefined, { signal: this.#signal }).catch(() => {});
      await Promise.race([pause, this.#nudge.promise]);
      this.#nudge = Promise.withResolvers();
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      if (this.#signal.aborted) break;
      for (const removable of this.#left) await this.#once(removable).catch(() => {});
    }
    this.#isTrying = false;
  }
}
