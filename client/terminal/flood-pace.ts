import type { Terminal } from "@xterm/xterm";

/** After so much output since the screen was drawn last nobody reads along: several screens full. */
const FLOOD_BYTES = 32 * 1024;
/** Then the screen is drawn no more often than this: still in motion, and Ctrl-C shows at once. */
const PAUSE_MS = 50;

/** What draws in @xterm/xterm 6, which has no option for how often it does. A test sees whether this still reaches it. */
interface Internals {
  _core: { _renderService: { _renderer: { value?: { renderRows(start: number, end: number): void } } } };
}

/**
 * Has the DOM draw a terminal less often while it is flooded. xterm.js makes every row anew, twice, for each frame; where
 * the processor paints, that takes more time than parsing does, and the flood lasts so much longer.
 */
export class FloodPace implements Disposable {
  readonly #terminal: Terminal;
  #parsedBytes = 0;
  #drawnAt = 0;
  #waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** The terminal has parsed so much output more. */
  parsed(bytes: number): void {
    this.#parsedBytes += bytes;
  }

  /** Takes hold of what draws the terminal now; call again when that is another. */
  start(): void {
    const renderer = (this.#terminal as unknown as Internals)._core._renderService._renderer.value;
    if (!renderer) return;
    const draw = renderer.renderRows.bind(renderer);
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    const drawNow = () => {
      this.#waiting = undefined;
      this.#parsedBytes = 0;
      this.#drawnAt = performance.now();
      draw(first, Math.min(last, this.#terminal.rows - 1));
      first = Number.POSITIVE_INFINITY;
      last = 0;
    };
    renderer.renderRows = (start, end) => {
      first = Math.min(first, start);
      last = Math.max(last, end);
      if (this.#waiting) return;
      const restMs = this.#parsedBytes < FLOOD_BYTES ? 0 : this.#drawnAt + PAUSE_MS - performance.now();
      if (restMs <= 0) drawNow();
      else this.#waiting = setTimeout(drawNow, restMs);
    };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#waiting);
  }
}
