import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { InputQueue } from "../../client/terminal/input-queue.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import { INPUT_CHUNK_CHARACTERS } from "../../server/protocol/socket.ts";

function makeQueue() {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const queue = new InputQueue({
    send: (chunk, taken) => {
      sent.push(chunk);
      if (taken) answers.push(taken);
    },
  });
  queue.open();
  return { queue, sent, answers };
}

test("a long paste goes no faster than it is taken, and arrives whole", () => {
  const { queue, sent, answers } = makeQueue();
  const paste = "🧰line\r".repeat(20_000);
  queue.add(paste);
  expect(sent.length).toBe(4);
  while (answers.length > 0) answers.shift()?.();
  expect(sent.join("")).toBe(paste);
  expect(sent.every((chunk) => chunk.length <= INPUT_CHUNK_CHARACTERS)).toBe(true);
  expect(sent.every((chunk) => !/[\ud800-\udbff]$/.test(chunk))).toBe(true);
});

test("keys typed after a paste stay behind it", () => {
  const { queue, sent, answers } = makeQueue();
  queue.add("p".repeat(100_000));
  queue.add("k");
  while (answers.length > 0) answers.shift()?.();
  expect(sent.at(-1)).toBe("k");
});

test("ctrl-c stops a paste and tells the program that the paste is over", () => {
  const { queue, sent } = makeQueue();
  queue.add(`\x1b[200~${"p".repeat(200_000)}\x1b[201~`);
  // At once: the program may never take what was sent before.
  queue.add("\x03");
  expect(sent.slice(4)).toEqual(["\x1b[201~", "\x03"]);
});

test("keys typed while the connection is away for a moment are kept, a torn paste is not", () => {
  const { queue, sent } = makeQueue();
  queue.pause();
  queue.add("ls\r");
  queue.open();
  expect(sent).toEqual(["ls\r"]);
  queue.add("p".repeat(100_000));
  queue.pause();
  queue.open();
  expect(sent.length).toBe(5);
});

test("what a lost connection had not delivered is sent again, and only that", async () => {
  const outbox = new InputOutbox();
  outbox.reset(1_000);
  await outbox.add(Buffer.from("hello "));
  await outbox.add(Buffer.from("world"));
  expect(outbox.missing(1_008).toString()).toBe("rld");
  expect(outbox.missing(1_011).toString()).toBe("");
});

test("the sender of much input waits until most of it is taken", async () => {
  const outbox = new InputOutbox();
  let isTaken = false;
  const waiting = outbox.add(Buffer.alloc(100_000)).then(() => {
    isTaken = true;
  });
  outbox.taken(60_000);
  await Promise.resolve();
  expect(isTaken).toBe(false);
  outbox.taken(70_000);
  await waiting;
  expect(outbox.fits(300_000)).toBe(false);
});
