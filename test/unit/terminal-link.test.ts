import { Buffer } from "node:buffer";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { Place } from "../../sandboxes/place.ts";
import { encodeFrame, encodeOffset, encodeSize } from "../../sandboxes/terminal/frames.ts";
import { openHolderLink } from "../../sandboxes/terminal/holder-link.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import { duplexOf } from "../support/duplex-of.ts";

const HELLO = { protocol: 1, pid: 7, instance: "ab12", from: 0, end: 0, input: 0, hasSnapshot: false };
const hello = (change: object = {}) => encodeFrame("H", Buffer.from(JSON.stringify({ ...HELLO, ...change })));
const output = (offset: number, length: number) =>
  encodeFrame("O", encodeOffset(offset), Buffer.alloc(length, "x"));

/** A place that says what it likes: the learner is root there. */
function lyingPlace(...said: Buffer[]): Place {
  const voice = new PassThrough();
  for (const frame of said) voice.write(frame);
  const unused = () => Promise.reject(new Error("not used"));
  const stream = async () => duplexOf(voice, new PassThrough().resume());
  return { role: "vm", exec: unused, writeFile: unused, readFile: unused, stream };
}

async function linkTo(...said: Buffer[]) {
  const { signal } = new AbortController();
  const options = { name: "vm-1", cols: 80, rows: 24, known: undefined, outbox: new InputOutbox(), signal };
  const link = await openHolderLink(lyingPlace(...said), options);
  let bytes = 0;
  const lost = Promise.withResolvers<string>();
  link.begin({
    output: (_offset, data) => {
      bytes += data.length;
    },
    resized: () => {},
    exited: () => {},
    lost: (error) => lost.resolve(error.message),
  });
  return { link, lost: lost.promise, bytes: () => bytes };
}

test.each([
  ["a hello that is none", [encodeFrame("H", Buffer.from("[]"))]],
  ["no JSON at all", [encodeFrame("H", Buffer.from("}{"))]],
  ["something before its hello", [output(0, 10)]],
  ["another protocol", [hello({ protocol: 99 })]],
  [
    "an endless snapshot",
    [hello({ hasSnapshot: true }), ...Array(3).fill(encodeFrame("P", Buffer.alloc(4 << 20)))],
  ],
  [
    "a screen that is too large to be true",
    [hello({ hasSnapshot: true }), encodeFrame("S", encodeOffset(0), encodeSize(65_535, 65_535))],
  ],
])("a holder that says %s is not believed", async (_name, said) => {
  await expect(linkTo(...said)).rejects.toThrow();
});

test.each([
  [
    "sends on without being acknowledged",
    Array.from({ length: 10 }, (_, index) => output(index * 65_536, 65_536)),
  ],
  ["skips a part", [output(0, 10), output(20, 10)]],
  ["resizes beyond reason", [encodeFrame("Z", encodeSize(65_535, 65_535))]],
])("a holder that %s is given up", async (_name, said) => {
  const { lost, bytes } = await linkTo(hello(), ...said);
  expect(await lost).not.toBe("");
  expect(bytes()).toBeLessThanOrEqual(512 * 1024);
});
