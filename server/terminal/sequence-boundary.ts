import { Buffer } from "node:buffer";

/** A sequence that has no end after this much is no longer held back. */
const HELD_LIMIT_BYTES = 64 * 1024;
const ESC = 0x1b;

/**
 * Cuts a terminal's output only where no escape sequence and no character is half said. A screen snapshot taken at
 * such a place goes on correctly with the bytes that follow; anywhere else it would print the rest of a sequence.
 */
export class SequenceBoundary {
  #held = Buffer.alloc(0);
  /** Inside a string (OSC, DCS…) that began in what was already given out. */
  #isInString = false;

  /** All bytes so far that can be drawn now; the rest is held until it is whole. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const cut = this.#cut(bytes);
    this.#held = Buffer.from(bytes.subarray(cut));
    return bytes.subarray(0, cut);
  }

  get heldBytes(): number {
    return this.#held.length;
  }

  #cut(bytes: Buffer): number {
    const last = bytes.lastIndexOf(ESC);
    const end = last < 0 ? (this.#isInString ? stringEnd(bytes, 0) : 0) : sequenceEnd(bytes, last);
    if (end === undefined) {
      // An escape sequence that is not whole begins at `last`, and where it closes a string (ESC \) so does that.
      if (last >= 0 && bytes.length - last <= HELD_LIMIT_BYTES) return last;
      this.#isInString = true;
      return bytes.length;
    }
    this.#isInString = false;
    return end >= bytes.length ? bytes.length : wholeCharacters(bytes, end);
  }
}

/** Index after the escape sequence at `start` (ECMA-48, as xterm.js parses it); undefined when it is not whole. */
function sequenceEnd(bytes: Buffer, start: number): number | undefined {
  let at = start + 1;
  const kind = bytes[at];
  if (kind === undefined) return undefined;
  if (kind === 0x5b) {
    for (at += 1; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if ((byte >= 0x40 && byte <= 0x7e) || byte === 0x18 || byte === 0x1a) return at + 1;
    }
    return undefined;
  }
  // OSC, DCS, APC, PM and SOS; all but OSC end only by ESC \, CAN or SUB.
  if (kind === 0x5d) return stringEnd(bytes, at + 1);
  if (kind === 0x50 || kind === 0x5f || kind === 0x5e || kind === 0x58)
    return stringEnd(bytes, at + 1, false);
  while (at < bytes.length && (bytes[at] ?? 0) >= 0x20 && (bytes[at] ?? 0) <= 0x2f) at += 1;
  return at < bytes.length ? at + 1 : undefined;
}

function stringEnd(bytes: Buffer, start: number, endsByBell = true): number | undefined {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if ((byte === 0x07 && endsByBell) || byte === 0x18 || byte === 0x1a) return at + 1;
  }
  return undefined;
}

/** Length without a UTF-8 character whose last bytes are missing. */
function wholeCharacters(bytes: Buffer, from: number): number {
  for (let back = 1; back <= 3 && bytes.length - back >= from; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
