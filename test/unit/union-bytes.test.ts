import { expect, test } from "vitest";
import { unionBytes } from "../../server/terminal/union-bytes.ts";

test.each([
  ["nothing", "", 0],
  ["one", "10-30", 20],
  ["two apart", "10-30 50-51", 21],
  ["two that overlap, in any order", "20-50 10-30", 40],
  ["one inside another", "10-90 20-30 80-95", 85],
  ["an empty one", "30-10 12-14", 2],
])("%s", (_what, stretches, bytes) => {
  const found = [...stretches.matchAll(/(\d+)-(\d+)/g)];
  const pairs = found.map(([, from, to]) => ({ from: Number(from), to: Number(to) }));
  expect(unionBytes(pairs)).toBe(bytes);
});
