import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { SequenceBoundary } from "../../server/terminal/sequence-boundary.ts";

/** Pieces that must never be cut, with plain text between them. */
const WHOLE = [
  "\x1b[1;31m",
  "\x1b[?1049h",
  "\x1b]0;a title\x07",
  "\x1b]8;;http://x/\x1b\\",
  "\x1b(0",
  "\x1b7",
  "\x1bP+q544e\x1b\\",
  "é",
  "语",
  "🧰",
];

describe("output is cut only where nothing is half said", () => {
  const stream = WHOLE.map((piece) => `ab${piece}`).join("");
  const bytes = Buffer.from(stream);
  const inside = new Set<number>();
  let at = 0;
  for (const piece of WHOLE) {
    at += 2;
    const length = Buffer.byteLength(piece);
    for (let offset = 1; offset < length; offset += 1) inside.add(at + offset);
    at += length;
  }
  // `ESC \` closes a string: before it the string has been given, and nothing of it would be printed.
  for (const closing of [bytes.indexOf("\x1b\\"), bytes.lastIndexOf("\x1b\\")]) inside.delete(closing);

  test.each([1, 2, 3, 5, 8, 13])("in pieces of %i bytes", (size) => {
    const boundary = new SequenceBoundary();
    let given = 0;
    const out: Buffer[] = [];
    for (let from = 0; from < bytes.length; from += size) {
      const piece = boundary.push(bytes.subarray(from, from + size));
      given += piece.length;
      out.push(Buffer.from(piece));
      expect(inside.has(given), `cut at ${given}: ${JSON.stringify(stream)}`).toBe(false);
      expect(given + boundary.heldBytes).toBe(Math.min(bytes.length, from + size));
    }
    expect(Buffer.concat(out).toString()).toBe(stream);
  });
});

test("a sequence without an end is not held for ever", () => {
  const boundary = new SequenceBoundary();
  let given = boundary.push(Buffer.from("\x1b]1337;File=")).length;
  for (let round = 0; round < 20; round += 1) given += boundary.push(Buffer.alloc(8_192, "A")).length;
  expect(given).toBeGreaterThan(64 * 1024);
});

test("bytes that are no text pass", () => {
  const boundary = new SequenceBoundary();
  const noise = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 97 + 31) % 256));
  const given = boundary.push(noise).length + boundary.push(Buffer.from(" end\r\n")).length;
  expect(given).toBeGreaterThan(4_900);
});
