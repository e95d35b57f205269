import type { Readable } from "node:stream";
import { LabError } from "../../sandboxes/errors.ts";

const NEWLINE = 0x0a;

/**
 * Lines of a stream, until it ends; a stream that is destroyed or fails throws.
 * @throws LabError `check_errored` at a line of more than `limitBytes`: what is at the other end may print for ever.
 */
export async function* linesOf(stream: Readable, limitBytes: number): AsyncGenerator<string> {
  let line = Buffer.alloc(0);
  let bytes = 0;
  const append = (more: Buffer) => {
    const end = bytes + more.length;
    if (end > limitBytes)
      throw new LabError("check_errored", `a line of an answer has more than ${limitBytes} bytes`);
    // Twice the room each time, so that a long line in many parts is copied a few times only.
    if (end > line.length) line = Buffer.concat([line], Math.max(end, line.length * 2));
    more.copy(line, bytes);
    bytes = end;
  };
  for await (const chunk of stream) {
    const data = Buffer.from(chunk as Uint8Array);
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      append(data.subarray(start, end));
      yield line.toString("utf8", 0, bytes);
      line = Buffer.alloc(0);
      bytes = 0;
      start = end + 1;
    }
    append(data.subarray(start));
  }
  if (bytes > 0) yield line.toString("utf8", 0, bytes);
}
