import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WATCHER_WINDOW_BYTES } from "../../server/protocol/socket.ts";
import { poll } from "../poll.ts";
import { type LocalHub, makeLocalHub, screenText } from "../support/local-hub.ts";
import { TestViewer, type TestViewerOptions } from "../support/terminal-viewer.ts";

const MIB = 1024 * 1024;

let local: LocalHub;
let hub: LocalHub["hub"];
beforeEach(async () => {
  local = await makeLocalHub();
  ({ hub } = local);
});
afterEach(() => local[Symbol.asyncDispose]());

const open = (options?: TestViewerOptions) => local.open(options);

/** The highest use of memory while something runs. */
async function highestUse(work: () => Promise<void>): Promise<number> {
  let highest = 0;
  const timer = setInterval(() => {
    highest = Math.max(highest, ...hub.use().map(({ bufferedBytes }) => bufferedBytes));
  }, 1);
  await work().finally(() => clearInterval(timer));
  return highest;
}

describe("a terminal", () => {
  test("is a shell that goes on for whoever comes back", async () => {
    const first = await open();
    await first.run("echo pid-$$- $((6*7))", "- 42");
    const pid = /pid-(\d+)-/.exec(first.text)?.[1];
    hub.leave(first.id);
    const second = await open({ id: "later" });
    expect((await screenText(second.snapshotText)).join("\n")).toContain(`pid-${pid}- 42`);
  });

  test("gives 20 MB completely, within its megabyte of memory", async () => {
    const lines = Array.from(
      { length: 250_000 },
      (_, line) => `${line} ${"the quick brown fox jumps over the lazy dog ".repeat(2)}`,
    );
    const file = join(local.place.directory, "large");
    await writeFile(file, lines.map((line) => `${line}\n`).join(""));
    const expected = await readFile(file);
    const viewer = await open();
    // A shell that adds nothing of its own: no prompt, no echo, no carriage returns.
    await viewer.run("exec env PS1= sh", "sh\r\n");
    await viewer.run("stty -echo -opost; echo bare-$((6*7))", "bare-42\n");
    const before = viewer.bytes;
    const hash = createHash("sha256");
    viewer.onOutput = (data) => hash.update(data);
    const highest = await highestUse(async () => {
      await viewer.type(`cat ${file}\r`);
      await poll(() => viewer.bytes - before >= expected.length, "20 MB", { timeoutMs: 120_000 });
    });
    expect(expected.length).toBeGreaterThan(20_000_000);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(expected).digest("hex"));
    expect(viewer.gaps).toBe(0);
    expect(highest).toBeLessThan(MIB);
    expect(viewer.events).not.toContain("snapshot");
  });

  test("is stopped by ctrl-c in the middle of a flood", async () => {
    const viewer = await open();
    const highest = await highestUse(async () => {
      for (let round = 0; round < 3; round += 1) {
        viewer.bytes = 0;
        await viewer.type("yes\r");
        await poll(() => viewer.bytes > 2 * MIB, "a flood", { timeoutMs: 60_000 });
        viewer.text = "";
        await viewer.type("\x03");
        await viewer.until("\x1b[?2004h");
      }
    });
    expect(highest).toBeLessThan(MIB);
  });

  test("keeps characters whole that are cut anywhere", async () => {
    const viewer = await open();
    await viewer.run(
      "for c in '\\xe8\\xaf' '\\xad\\xe8' '\\xa8\\x80\\xf0\\x9f' '\\xa7\\xb0'; do printf $c; sleep 0.1; done; echo =$((6*7))",
      "=42",
    );
    hub.leave(viewer.id);
    const later = await open({ id: "later" });
    expect((await screenText(later.snapshotText)).join("\n")).toContain("语言🧰=42");
  });

  test("brings back a full-screen program as it was", async () => {
    const viewer = await open();
    await viewer.run("seq 1 100 > /dev/shm/$$; less /dev/shm/$$", "/dev/shm/");
    await poll(
      () => viewer.text.includes("\x1b[?1049h") && viewer.text.includes("23\r\n"),
      "less fills the screen",
    );
    const later = await open({ id: "later" });
    const rows = await screenText(later.snapshotText);
    expect(rows.slice(0, 23)).toEqual(Array.from({ length: 23 }, (_, row) => `${row + 1}`));
    viewer.text = "";
    await viewer.type("q");
    await viewer.run("rm /dev/shm/$$; echo =$((6*7))", "=42");
  });

  test("takes the writer's size, and every viewer is told in order", async () => {
    const writer = await open();
    const watcher = await open({ id: "watcher" });
    hub.resize(writer.terminalId, writer.id, 120, 40);
    await writer.run("stty size", "40 120");
    hub.resize(watcher.terminalId, watcher.id, 20, 10);
    await writer.run("stty size; echo =$((6*7))", "=42");
    expect(writer.text).toContain("40 120");
    await poll(() => watcher.events.includes("size 120x40 watcher"), "watcher hears of the size");
    expect(writer.events).toEqual(["size 120x40 writer"]);
  });

  test("is let go of when nobody looks, and there again for who comes later", async () => {
    await using own = await makeLocalHub({ idleMs: 50 });
    const viewer = await own.open();
    await viewer.run("echo kept-$((6*7))", "kept-42");
    own.hub.leave(viewer.id);
    await poll(() => own.hub.use().length === 0, "let go");
    const later = await own.open({ id: "later" });
    expect((await screenText(later.snapshotText)).join("\n")).toContain("kept-42");
  });

  test("says how its shell ended, and starts a new one only when asked", async () => {
    const viewer = await open();
    const { instance } = viewer;
    await viewer.type("exit 3\r");
    await poll(() => viewer.events.includes("exit 3"), "exit");
    const reopened = await viewer.reopen();
    expect(reopened.instance).toBe(instance);
    await poll(() => viewer.events.filter((event) => event === "exit 3").length === 2, "told again");
    const restarted = await viewer.reopen({ restart: true });
    await poll(() => !["", instance].includes(viewer.instance), "a new shell");
    expect(restarted.isWriter).toBe(true);
    await viewer.run("echo new-$((6*7))", "new-42");
  });
});

describe("several viewers", () => {
  test("see the same; one of them writes", async () => {
    const writer = await open();
    const watcher = await open({ id: "watcher" });
    expect([writer.opened?.isWriter, watcher.opened?.isWriter]).toEqual([true, false]);
    await watcher.type("echo intruder-$((6*7))\r");
    await writer.run("echo mine-$((6*7))", "mine-42");
    await watcher.until("mine-42");
    expect(watcher.text).not.toContain("intruder");
  });

  test("pass the keyboard on", async () => {
    const writer = await open();
    const watcher = await open({ id: "watcher" });
    hub.write(watcher.terminalId, watcher.id);
    expect(writer.events.at(-1)).toBe("size 80x24 watcher");
    expect(watcher.events.at(-1)).toBe("size 80x24 writer");
    await watcher.run("echo taken-$((6*7))", "taken-42");
    hub.leave(watcher.id);
    expect(writer.events.at(-1)).toBe("size 80x24 writer");
  });

  test("who may only look on never gets it", async () => {
    const onlooker = new TestViewer(hub, { id: "instructor" });
    onlooker.mayWrite = false;
    await onlooker.reopen();
    hub.write(onlooker.terminalId, onlooker.id);
    await onlooker.type("echo intruder-$((6*7))\r");
    expect(onlooker.opened?.isWriter).toBe(false);
    const writer = await open();
    await writer.run("echo mine-$((6*7))", "mine-42");
    expect(onlooker.text).not.toContain("intruder");
  });

  test("a slow watcher holds nobody up and gets the screen anew", async () => {
    const writer = await open();
    const slow = await open({ id: "slow", acks: false });
    await writer.run("seq 1 400000; echo over-$((6*7))", "over-42", 60_000);
    expect(slow.bytes).toBeLessThanOrEqual(WATCHER_WINDOW_BYTES);
    slow.acks = true;
    hub.ack(slow.terminalId, slow.id, slow.end);
    await poll(() => slow.snapshotText.includes("over-42"), "a new screen");
    await writer.run("echo after-$((6*7))", "after-42");
    await slow.until("after-42");
  });

  test("a stuck one and a fast one stay within the terminal's megabyte, and what the stuck one holds counts", async () => {
    const fast = await open();
    await fast.run("seq 1 20000; echo full-$((6*7))", "full-42");
    const stuck = await open({ id: "stuck", acks: false });
    const highest = await highestUse(() => fast.run("seq 1 1000000; echo over-$((6*7))", "over-42", 60_000));
    expect(highest).toBeLessThan(MIB);
    expect(fast.events).not.toContain("snapshot");
    const held = () => hub.use()[0]?.bufferedBytes ?? 0;
    const withStuck = held();
    hub.leave(stuck.id);
    expect(withStuck - held()).toBe(stuck.bytes + Buffer.byteLength(stuck.snapshotText));
    expect(stuck.bytes).toBeGreaterThan(0);
  });

  test("many stuck ones don't add up, and a page that comes then is served", async () => {
    const writer = await open();
    for (let index = 0; index < 6; index += 1) {
      await open({ id: `stuck${index}`, acks: false });
      await writer.run(`seq 1 200000; echo over-$((6*7))`, "over-42", 60_000);
    }
    expect(hub.use()[0]?.bufferedBytes).toBeLessThan(MIB);
    const late = await open({ id: "late" });
    await writer.run("echo after-$((6*7))", "after-42");
    await late.until("after-42");
  });

  test("a slow writer holds the shell up, a dead one does not", async () => {
    const writer = await open({ acks: false });
    const watcher = await open({ id: "watcher" });
    await writer.type("seq 1 400000; echo over-$((6*7))\r");
    await poll(() => watcher.bytes > 100_000, "output");
    // Nothing is acknowledged by the writer's page, so the program waits, and only so long.
    expect(watcher.text).not.toContain("over-42");
    await watcher.until("over-42", 60_000);
    writer.acks = true;
    hub.ack(writer.terminalId, writer.id, writer.end);
    await poll(() => writer.snapshotText.includes("over-42"), "a new screen");
  });
});

describe("a page that comes back", () => {
  test("goes on at the byte where it was", async () => {
    const viewer = await open();
    await viewer.run("echo one-$((6*7))", "one-42");
    const { end: from, instance } = viewer;
    hub.leave(viewer.id);
    const other = await open({ id: "other" });
    await other.run("echo two-$((6*7))", "two-42");
    viewer.text = "";
    const again = await viewer.reopen({ from, instance });
    expect(again).toMatchObject({ mode: "resume", snapshot: "", offset: from });
    await poll(() => viewer.end === other.end, "the rest");
    expect(viewer.gaps).toBe(0);
    expect(viewer.text.match(/two-42/g)).toHaveLength(1);
    expect(viewer.text).not.toContain("one-42");
  });

  test("gets a new screen when too much has passed, the size has changed or the shell is another", async () => {
    const viewer = await open();
    await viewer.run("echo one-$((6*7))", "one-42");
    const { end: from, instance } = viewer;
    expect((await viewer.reopen({ from, instance: "another" })).mode).toBe("snapshot");
    await viewer.run("seq 1 200000; echo two-$((6*7))", "two-42", 60_000);
    expect((await viewer.reopen({ from, instance })).mode).toBe("snapshot");
    const known = { from: viewer.end, instance };
    hub.resize(viewer.terminalId, viewer.id, 100, 30);
    await poll(() => viewer.events.includes("size 100x30 writer"), "size");
    expect((await viewer.reopen({ ...known, cols: 100, rows: 30 })).mode).toBe("snapshot");
  });
});
