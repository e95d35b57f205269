const FIRST_MS = 200;
const LONGEST_MS = 3_000;
/** A connection that lived so long makes the next failure a first one. */
const SOUND_MS = 5_000;

/** Growing pauses between attempts, which can be cut short. */
export class Backoff {
  #pauseMs = FIRST_MS;
  #wake: (() => void) | undefined;

  /** How the last connection went decides where the pauses begin. */
  lived(ms: number): void {
    if (ms >= SOUND_MS) this.#pauseMs = FIRST_MS;
  }

  async pause(): Promise<void> {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_MS, pauseMs * 2);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Try again now. */
  wake(): void {
    this.#pauseMs = FIRST_MS;
    this.#wake?.();
  }
}
