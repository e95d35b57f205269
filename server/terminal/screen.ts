import { Buffer } from "node:buffer";
import serialize from "@xterm/addon-serialize";
import headless from "@xterm/headless";
import type { ScreenSnapshot } from "../../sandboxes/terminal/terminal-link.ts";
import { boundEmulator } from "../protocol/bounded-emulator.ts";
import { SCROLLBACK_LINES } from "../protocol/socket.ts";
import { enterAlternate, hiddenState } from "./screen-state.ts";
import { SequenceBoundary } from "./sequence-boundary.ts";

/** A snapshot travels in one piece; one of wide lines in many colours gets less scrollback instead. */
export const SNAPSHOT_LIMIT_BYTES = 384 * 1024;
/** Of the lines that would fit if all were alike, so many are tried. */
const FIT = 0.95;
/**
 * xterm.js lets others run only between two writes, and a few bytes can move or clear a whole screen. Pieces are as
 * large as costs them nothing, and smaller for large screens.
 */
const PIECE_BYTES = { least: 512, most: 4 * 1024, perScreenOf: 10_000 };
/** How the serialize addon goes to the other screen. */
const ALTERNATE = "\x1b[?1049h\x1b[H";

/**
 * The server's own copy of a terminal's screen and scrollback, parsed from the output. It answers no questions that
 * programs ask a terminal (what it is, where the cursor is): the page that has the keyboard does.
 */
export class Screen {
  readonly #terminal: InstanceType<typeof headless.Terminal>;
  readonly #serializer = new serialize.SerializeAddon();
  readonly #boundary = new SequenceBoundary();
  readonly #onDrawn: () => void;
  #fed: number;
  #drawn: number;
  #copied = 0;

  /** `onDrawn` is called whenever `offset` has moved on. */
  constructor(start: { offset: number; cols: number; rows: number; text?: string }, onDrawn: () => void) {
    this.#terminal = new headless.Terminal({
      cols: start.cols,
      rows: start.rows,
      scrollback: SCROLLBACK_LINES,
      allowProposedApi: true,
    });
    boundEmulator(this.#terminal);
    // Links are in no snapshot, and xterm.js keeps a marker for each as long as its line lives.
    this.#terminal.parser.registerOscHandler(8, () => true);
    this.#terminal.loadAddon(this.#serializer);
    this.#onDrawn = onDrawn;
    this.#fed = this.#drawn = start.offset;
    if (start.text) this.#terminal.write(start.text);
  }

  /** Output up to here is on the screen. */
  get offset(): number {
    return this.#drawn;
  }

  get cols(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  /** Bytes given but not drawn yet of which it has copies; of all others it has what it was given. */
  get copiedBytes(): number {
    return this.#copied + this.#boundary.heldBytes;
  }

  write(data: Buffer): void {
    const whole = this.#boundary.push(data);
    if (whole.length === 0) return;
    this.#fed += whole.length;
    const end = this.#fed;
    const copied = whole.buffer === data.buffer ? 0 : whole.length;
    this.#copied += copied;
    const drawn = () => {
      this.#drawn = end;
      this.#copied -= copied;
      this.#onDrawn();
    };
    const pieceBytes = pieceBytesFor(this.#terminal);
    let at = 0;
    for (; whole.length - at > pieceBytes; at += pieceBytes)
      this.#terminal.write(whole.subarray(at, at + pieceBytes));
    this.#terminal.write(whole.subarray(at), drawn);
  }

  /** Takes effect after what was written before it, as it did for the program. */
  resize(cols: number, rows: number): void {
    this.#terminal.write("", () => this.#terminal.resize(cols, rows));
  }

  /** Calls back at a moment at which all that was written before is drawn; `offset` and `snapshot` belong together there. */
  whenDrawn(callback: () => void): void {
    this.#terminal.write("", callback);
  }

  /** The screen now, at `offset`, with the newest `scrollback` lines above it, or with fewer if it would be too large. */
  snapshot(scrollback = SCROLLBACK_LINES, limitBytes = SNAPSHOT_LIMIT_BYTES): ScreenSnapshot {
    const terminal = this.#terminal;
    const { cols, rows } = terminal;
    const drawn = this.#serializer.serialize({ scrollback });
    const text = drawn.replace(ALTERNATE, () => enterAlternate(terminal)) + hiddenState(terminal);
    const bytes = Buffer.byteLength(text);
    if (bytes > limitBytes && scrollback > 0) {
      const lines = Math.min(scrollback, terminal.buffer.normal.length - rows);
      return this.snapshot(Math.floor((lines * FIT * limitBytes) / bytes), limitBytes);
    }
    return { offset: this.#drawn, cols, rows, text };
  }

  /** After what waits for its drawing has been called back. */
  dispose(): void {
    this.whenDrawn(() => this.#terminal.dispose());
  }
}

function pieceBytesFor({ cols, rows }: { cols: number; rows: number }): number {
  const { least, most, perScreenOf } = PIECE_BYTES;
  return Math.max(least, Math.min(most, Math.floor((most * perScreenOf) / (cols * rows))));
}
