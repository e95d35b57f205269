import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { OutputRing, type RingCursor } from "../../server/terminal/output-ring.ts";

function readAll(ring: OutputRing, cursor: RingCursor): string {
  let text = "";
  for (let { next, skip } = cursor; ; next += 1) {
    const entry = ring.at({ next, skip });
    if (entry === undefined || entry === "gone") return text;
    if (entry.kind === "output") text += entry.data.subarray(skip).toString();
    else text += `<${entry.kind}>`;
    skip = 0;
  }
}

function from(ring: OutputRing, offset: number): string | undefined {
  const cursor = ring.locate(offset);
  return cursor && readAll(ring, cursor);
}

test("reading goes on at any byte that is kept", () => {
  const ring = new OutputRing(100, 10_000);
  ring.append(Buffer.from("abc"));
  ring.resize(80, 24);
  ring.append(Buffer.from("def"));
  ring.exit(0);
  expect(from(ring, 100)).toBe("abc<size>def<exit>");
  expect(from(ring, 102)).toBe("c<size>def<exit>");
  expect(from(ring, 103)).toBe("<size>def<exit>");
  expect(from(ring, 105)).toBe("f<exit>");
  expect(from(ring, 106)).toBe("<exit>");
  expect([ring.locate(99), ring.locate(107)]).toEqual([undefined, undefined]);
});

test("it stays within its limit, single characters included, and forgets the oldest", () => {
  const ring = new OutputRing(0, 64 * 1024);
  for (let count = 0; count < 10_000; count += 1) ring.append(Buffer.from("x"));
  expect(ring.bytes).toBeLessThanOrEqual(64 * 1024);
  expect(ring.start).toBeGreaterThan(9_000);
  expect(from(ring, ring.start)).toBe("x".repeat(10_000 - ring.start));
  expect(ring.at({ next: 0, skip: 0 })).toBe("gone");
});

test("a change of size is known to who resumes", () => {
  const ring = new OutputRing(0, 10_000);
  ring.append(Buffer.from("abc"));
  ring.resize(80, 24);
  expect(ring.hasSizeSince(3)).toBe(true);
  ring.append(Buffer.from("d"));
  expect(ring.hasSizeSince(4)).toBe(false);
});
