import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../../sandboxes/run.ts";

const supervisor = fileURLToPath(new URL("../../sandboxes/machine/supervisor.py", import.meta.url));

/** The supervisor's own function, looking at a file of ours once; its last line, which runs it all, is left out. */
const TRIM_ONCE = `
import ast, sys
tree = ast.parse(open(sys.argv[1]).read())
assert ast.unparse(tree.body.pop()) == "main()"
exec(compile(tree, sys.argv[1], "exec"))
CONSOLE, CONSOLE_KEPT_BYTES = sys.argv[2], int(sys.argv[3])
class Looked(Exception): pass
pauses = iter([None])
def pause(seconds):
    if next(pauses, Looked) is Looked: raise Looked
time.sleep = pause
try: trim_console()
except Looked: pass
`;

const KEPT = 256 * 1024;
let folder: string;
let log: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-console-"));
  log = join(folder, "console.log");
});

afterEach(async () => await rm(folder, { recursive: true, force: true }));

const trim = () => run(["python3", "-c", TRIM_ONCE, supervisor, log, String(KEPT)], { timeoutMs: 20_000 });

/** Numbered, so that every place in the log is told from every other. */
const lines = (bytes: number) =>
  Buffer.from(Array.from({ length: bytes / 16 }, (_, at) => `line ${at}`.padEnd(15)).join("\n")).subarray(
    0,
    bytes,
  );

test("of a long console log the newest is kept, where it was; the rest is given back to the disk", async () => {
  await using qemu = await open(log, "a");
  const printed = lines(4 * KEPT);
  await qemu.write(printed);
  // So that the blocks it takes are known.
  await qemu.sync();
  await trim();
  const { size, blocks } = await stat(log);
  expect(size).toBe(printed.length);
  expect(blocks * 512).toBeLessThan(2 * KEPT);
  const kept = await readFile(log);
  expect(kept.subarray(-KEPT)).toEqual(printed.subarray(-KEPT));
  expect(kept.subarray(0, -KEPT).every((byte) => byte === 0)).toBe(true);
  // QEMU goes on in the file it has open.
  await qemu.write("more");
  expect((await readFile(log)).subarray(-KEPT - 4)).toEqual(
    Buffer.concat([printed.subarray(-KEPT), Buffer.from("more")]),
  );
});

test("a console log of usual length stays whole", async () => {
  await using qemu = await open(log, "a");
  const printed = lines(KEPT + KEPT / 2);
  await qemu.write(printed);
  await qemu.sync();
  await trim();
  expect(await readFile(log)).toEqual(printed);
});
