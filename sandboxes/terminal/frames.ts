import { Buffer } from "node:buffer";
import { LabError } from "../errors.ts";

/** One message between server and holder; README.md beside this file says what each kind carries. */
export interface Frame {
  kind: string;
  payload: Buffer;
}

const HEADER_BYTES = 5;
const LIMIT_BYTES = 8 * 1024 * 1024;
/** A payload smaller than this is copied: a slice of it would keep a whole network buffer alive. */
const COPY_BELOW_BYTES = 16 * 1024;

/** The bytes of one frame. */
export function encodeFrame(kind: string, ...parts: readonly Uint8Array[]): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.write(kind, 0, 1, "latin1");
  header.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    1,
  );
  return Buffer.concat([header, ...parts]);
}

/** Eight bytes, big endian. */
export function encodeOffset(offset: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(offset));
  return bytes;
}

/** Numbers up to 2^53 are exact: a shell would have to print for three centuries at 1 MB/s. */
export function decodeOffset(payload: Buffer, at = 0): number {
  return Number(payload.readBigUInt64BE(at));
}

/** Columns and rows, two bytes each. */
export function encodeSize(cols: number, rows: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt16BE(cols, 0);
  bytes.writeUInt16BE(rows, 2);
  return bytes;
}

/** Takes a byte stream apart into frames, however it was cut. */
export class FrameReader {
  #header = Buffer.alloc(0);
  #payload: Buffer[] = [];
  /** Bytes of the payload that are still to come. */
  #missing = 0;

  /** @throws LabError `terminal_failed` when what comes is no frame. */
  *push(chunk: Buffer): Generator<Frame> {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#header.length < HEADER_BYTES) {
        const part = rest.subarray(0, HEADER_BYTES - this.#header.length);
        this.#header = Buffer.concat([this.#header, part]);
        rest = rest.subarray(part.length);
        if (this.#header.length < HEADER_BYTES) return;
        this.#missing = payloadLength(this.#header);
      }
      const part = rest.subarray(0, this.#missing);
      rest = rest.subarray(part.length);
      this.#missing -= part.length;
      this.#payload.push(part);
      if (this.#missing > 0) return;
      const frame = { kind: this.#header.toString("latin1", 0, 1), payload: joined(this.#payload) };
      this.#header = Buffer.alloc(0);
      this.#payload = [];
      yield frame;
    }
  }
}

function payloadLength(header: Buffer): number {
  const length = header.readUInt32BE(1);
  if (length <= LIMIT_BYTES && /[A-Z]/.test(header.toString("latin1", 0, 1))) return length;
  throw new LabError("terminal_failed", "the terminal's holder sent something else than frames", {
    hint: "does the login shell of `admin` print something of its own?",
  });
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0)] = parts;
  if (parts.length > 1) return Buffer.concat(parts);
  return first.length < COPY_BELOW_BYTES ? Buffer.from(first) : first;
}
