import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { encodeFrame, encodeOffset, encodeSize, FrameReader } from "../../sandboxes/terminal/frames.ts";

const frames = [
  { kind: "H", payload: Buffer.from('{"pid":1}') },
  { kind: "O", payload: Buffer.concat([encodeOffset(2 ** 40), Buffer.alloc(70_000, "x")]) },
  { kind: "Z", payload: encodeSize(132, 43) },
  { kind: "P", payload: Buffer.alloc(0) },
];
const bytes = Buffer.concat(frames.map(({ kind, payload }) => encodeFrame(kind, payload)));

test.each([1, 2, 3, 4, 5, 7, 64, 4096, bytes.length])("frames cut every %i bytes come out whole", (size) => {
  const reader = new FrameReader();
  const seen = [];
  for (let at = 0; at < bytes.length; at += size) seen.push(...reader.push(bytes.subarray(at, at + size)));
  expect(seen.map(({ kind }) => kind).join("")).toBe("HOZP");
  for (const [index, frame] of frames.entries())
    expect(seen[index]?.payload.equals(frame.payload)).toBe(true);
});

test("what a login script prints is told from frames", () => {
  const reader = new FrameReader();
  expect(() => [...reader.push(Buffer.from("Welcome to Debian"))]).toThrow("something else than frames");
});
