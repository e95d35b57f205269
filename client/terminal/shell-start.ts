/** Most shells have printed something before one could read that they start. */
const WORTH_A_WORD_MS = 500;

/** Under emulation a shell takes up to 10 s to begin. One that prints nothing for longer is typed to all the same. */
const HELD_MS = 10_000;

/** A shell's time from its making to its first output. Before it reads, what is typed is echoed twice. */
export class ShellStart {
  readonly #onChange: () => void;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #isSlow = false;
  #holdsInput = false;

  /** @param onChange is called when something below has changed by itself or by the first output. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** It takes so long that its reader should be told, and what is typed waits for it. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** What is typed has to wait. */
  get holdsInput(): boolean {
    return this.#holdsInput;
  }

  /** The shell has printed nothing yet. */
  begin(): void {
    this.forget();
    this.#holdsInput = true;
    const later = (delayMs: number, change: () => void) =>
      setTimeout(() => {
        change();
        this.#onChange();
      }, delayMs);
    this.#timers = [
      later(WORTH_A_WORD_MS, () => {
        this.#isSlow = true;
      }),
      later(HELD_MS, () => {
        this.#isSlow = this.#holdsInput = false;
      }),
    ];
  }

  /** The shell prints. */
  end(): void {
    if (this.#timers.length === 0) return;
    this.forget();
    this.#onChange();
  }

  /** Nothing is waited for, and nobody told so. */
  forget(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    this.#isSlow = this.#holdsInput = false;
  }
}
