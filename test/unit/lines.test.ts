import { Buffer } from "node:buffer";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { streamLines } from "../../sandboxes/engine/stream-lines.ts";
import { linesOf } from "../../server/checks/lines.ts";

const KIB = 1024;

function streamOf(...chunks: string[]): Readable {
  return Readable.from(
    chunks.map((chunk) => Buffer.from(chunk, "latin1")),
    { objectMode: false },
  );
}

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const got: string[] = [];
  for await (const line of lines) got.push(line);
  return got;
}

/** `count` pieces without a line's end, which nobody asks for once the reader has had enough. */
function* endless(count: number): Generator<Buffer> {
  const piece = Buffer.alloc(64 * KIB, "y");
  for (let sent = 0; sent < count; sent += 1) yield piece;
}

describe("lines of an answer", () => {
  test("come whole, however they are cut on the way", async () => {
    const cut = streamOf("one\ntw", "o\n\nthr", "e\xc3", "\xa9\nlast");
    expect(await all(linesOf(cut, 10))).toEqual(["one", "two", "", "threé", "last"]);
  });

  test("may be as long as was said, not longer", async () => {
    const just = streamOf("1234567890\n", "12345", "67890");
    expect(await all(linesOf(just, 10))).toEqual(["1234567890", "1234567890"]);
    const longer = linesOf(streamOf("ok\n1234567890", "1\n"), 10);
    expect((await longer.next()).value).toBe("ok");
    await expect(longer.next()).rejects.toMatchObject({ code: "check_errored" });
  });

  test("that have no end are not gathered", async () => {
    const stream = Readable.from(endless(100_000), { objectMode: false });
    await expect(linesOf(stream, 64 * KIB).next()).rejects.toMatchObject({ code: "check_errored" });
    expect(stream.destroyed).toBe(true);
  });

  test("are read in time that grows with their length only", async () => {
    const parts = Array.from({ length: 400_000 }, () => Buffer.from("0123456789"));
    const [line] = await all(linesOf(Readable.from(parts, { objectMode: false }), 8 * KIB * KIB));
    expect(line?.length).toBe(4_000_000);
  });
});

describe("lines of a console", () => {
  test("end by either character or both, also when those come apart", async () => {
    const console = streamOf("one\r", "\ntwo\r", "three\nfo", "ur\r\n\r\nf\xc3", "\xbcnf");
    expect(await all(streamLines(console))).toEqual(["one", "two", "three", "four", "", "fünf"]);
  });

  test("are cut where they have no end", async () => {
    const stream = Readable.from(
      (function* () {
        yield* endless(16_384);
        yield Buffer.from("\nlogin:\n");
      })(),
      { objectMode: false },
    );
    const lines = await all(streamLines(stream));
    expect(lines.map(({ length }) => length)).toEqual([64 * KIB, 6]);
  });

  test("may be left; an error that comes later concerns nobody", async () => {
    const stream = new PassThrough();
    stream.write("one\ntwo\n");
    for await (const line of streamLines(stream)) if (line === "one") break;
    expect(stream.destroyed).toBe(false);
    stream.destroy(new Error("reset by peer"));
    await new Promise((resolve) => stream.once("close", resolve));
  });

  test("end with a stream that is destroyed, and fail with one that fails", async () => {
    for (const error of [undefined, new Error("reset by peer")]) {
      const stream = new PassThrough();
      const lines = streamLines(stream);
      stream.write("one\n");
      expect((await lines.next()).value).toBe("one");
      const next = lines.next();
      stream.destroy(error);
      if (error) await expect(next).rejects.toThrow("reset by peer");
      else expect(await next).toEqual({ done: true, value: undefined });
    }
  });
});
