import type { Buffer } from "node:buffer";

/** What happened in a terminal, in order: bytes it printed, a size that the following bytes are meant for, its end. */
export type RingEntry =
  | { kind: "output"; offset: number; data: Buffer }
  | { kind: "size"; offset: number; cols: number; rows: number }
  | { kind: "exit"; offset: number; status: number };

/** What an entry costs beside its bytes, so that a ring of single characters stays small as well. */
const ENTRY_BYTES = 160;

/** Where a reader is: the number of the next entry, and how much of it it has had. */
export interface RingCursor {
  next: number;
  skip: number;
}

/** The newest output of a terminal. Old entries are dropped, whoever still wanted them. */
export class OutputRing {
  readonly #limitBytes: number;
  #entries: RingEntry[] = [];
  /** Number of the first entry kept. */
  #first = 0;
  #bytes = 0;
  #start: number;
  #end: number;

  constructor(start: number, limitBytes: number) {
    this.#start = this.#end = start;
    this.#limitBytes = limitBytes;
  }

  /** Offset of the oldest byte kept. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(data: Buffer): void {
    this.#add({ kind: "output", offset: this.#end, data }, data.length);
    this.#end += data.length;
  }

  resize(cols: number, rows: number): void {
    this.#add({ kind: "size", offset: this.#end, cols, rows }, 0);
  }

  exit(status: number): void {
    this.#add({ kind: "exit", offset: this.#end, status }, 0);
  }

  /** Where reading from `offset` begins; `undefined` when that has been dropped or is yet to come. */
  locate(offset: number): RingCursor | undefined {
    if (offset < this.#start || offset > this.#end) return undefined;
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index];
      if (!entry || entry.offset >= offset) continue;
      const skip = offset - entry.offset;
      const isInside = entry.kind === "output" && skip < entry.data.length;
      return { next: this.#first + index + (isInside ? 0 : 1), skip: isInside ? skip : 0 };
    }
    return { next: this.#first, skip: 0 };
  }

  /** Whether the size changed at or after `offset`. */
  hasSizeSince(offset: number): boolean {
    return this.#entries.some((entry) => entry.kind === "size" && entry.offset >= offset);
  }

  /** The entry at a cursor: `gone` when it was dropped, `undefined` at the end. */
  at(cursor: RingCursor): RingEntry | "gone" | undefined {
    return cursor.next < this.#first ? "gone" : this.#entries[cursor.next - this.#first];
  }

  #add(entry: RingEntry, length: number): void {
    this.#entries.push(entry);
    this.#bytes += length + ENTRY_BYTES;
    let drop = 0;
    while (this.#bytes > this.#limitBytes && drop < this.#entries.length - 1) {
      const old = this.#entries[drop];
      const oldLength = old?.kind === "output" ? old.data.length : 0;
      this.#start = (old?.offset ?? 0) + oldLength;
      this.#bytes -= oldLength + ENTRY_BYTES;
      drop += 1;
    }
    if (drop === 0) return;
    this.#entries.splice(0, drop);
    this.#first += drop;
  }
}
