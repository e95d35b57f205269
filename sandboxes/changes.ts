import { EventEmitter } from "node:events";

/** Something that changes, and those who want to hear of it. `About` says what has changed, where there are several. */
export class Changes<About extends unknown[] = []> {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  tell(...about: About): void {
    this.#emitter.emit("change", ...about);
  }

  /** Calls back at each change until the signal aborts. */
  onChange(listener: (...about: About) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const heard = listener as (...about: unknown[]) => void;
    this.#emitter.on("change", heard);
    signal.addEventListener("abort", () => this.#emitter.off("change", heard), { once: true });
  }
}
