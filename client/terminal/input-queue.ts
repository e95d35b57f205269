import { INPUT_CHUNK_CHARACTERS } from "../../server/protocol/socket.ts";

/** Longer input waits for the shell to have taken it; a key is not worth an answer. */
const ANSWERED_FROM_CHARACTERS = 1_024;
/** Chunks on their way at once: enough to keep a slow line busy, little enough to stop in time. */
const CHUNKS_UNDER_WAY = 4;
const PASTE_END = "\x1b[201~";
const INTERRUPT = "\x03";

export interface InputQueueDeps {
  /** Sends a chunk; `taken`, where given, is called when the shell has taken it. */
  send(chunk: string, taken: (() => void) | undefined): void;
}

/**
 * What was typed and pasted, in order and no faster than the shell takes it. It holds what comes while the shell is out
 * of reach for a moment.
 */
export class InputQueue {
  readonly #deps: InputQueueDeps;
  #chunks: string[] = [];
  #underWay = 0;
  #isOpen = false;
  /** Answers to chunks of an earlier connection must not count for this one. */
  #connection = 0;

  constructor(deps: InputQueueDeps) {
    this.#deps = deps;
  }

  /** Characters that wait to be sent. */
  get waiting(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  add(data: string): void {
    if (data === INTERRUPT && this.#chunks.length > 0) this.#cancel();
    this.#chunks.push(...chunksOf(data));
    this.#pump();
  }

  open(): void {
    this.#isOpen = true;
    this.#pump();
  }

  /** The connection is gone. A paste of which a piece may have been lost ends here rather than with a hole in it. */
  pause(): void {
    if (this.#underWay > 0) this.#chunks = [];
    this.#isOpen = false;
    this.#underWay = 0;
    this.#connection += 1;
  }

  clear(): void {
    this.#chunks = [];
  }

  /** Ctrl-C stops a paste; a program that was told "a paste begins" is told that it ends. */
  #cancel(): void {
    const isBracketed = this.#chunks.some((chunk) => chunk.includes(PASTE_END));
    this.#chunks = isBracketed ? [PASTE_END] : [];
  }

  #pump(): void {
    while (this.#isOpen) {
      const [chunk] = this.#chunks;
      const isAnswered = chunk !== undefined && chunk.length >= ANSWERED_FROM_CHARACTERS;
      if (chunk === undefined || (isAnswered && this.#underWay >= CHUNKS_UNDER_WAY)) return;
      this.#chunks.shift();
      if (isAnswered) this.#sendAnswered(chunk);
      else this.#deps.send(chunk, undefined);
    }
  }

  #sendAnswered(chunk: string): void {
    const connection = this.#connection;
    this.#underWay += 1;
    this.#deps.send(chunk, () => {
      if (connection !== this.#connection) return;
      this.#underWay -= 1;
      this.#pump();
    });
  }
}

/** Pieces the protocol allows, none of which ends in half a character. */
function chunksOf(data: string): string[] {
  const chunks: string[] = [];
  for (let at = 0; at < data.length; ) {
    let end = Math.min(data.length, at + INPUT_CHUNK_CHARACTERS);
    const last = data.charCodeAt(end - 1);
    if (end < data.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    chunks.push(data.slice(at, end));
    at = end;
  }
  return chunks;
}
