import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import { poll } from "../poll.ts";
import { setUpHolderVisits } from "../support/holder-visits.ts";

const visits = setUpHolderVisits();

describe("output", () => {
  test("keeps its newest while nobody is there, and no more memory than that", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("stty -echo; PS1=; clear\r");
    await visit.until("\x1b[H");
    const known = { instance: visit.link.instance, end: visit.end };
    await visit.type("sleep 0.3; seq 1 1500000; echo end-$((2+2))\r");
    visit.link.close();
    const holder = await visits.onlyHolder();
    await poll(
      async () => {
        const again = await visits.to("vm-1", known);
        await poll(() => again.end >= again.link.end, "replay");
        const isOver = again.text.includes("end-4");
        if (isOver) expect(again.link.end - again.link.from).toBeLessThanOrEqual(2 * 1024 * 1024 + 64);
        again.link.close();
        return isOver;
      },
      "the flood passes unseen",
      { timeoutMs: 60_000, pauseMs: 3_000 },
    );
    const status = await readFile(`/proc/${holder}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(40_000);
  });
});

describe("input", () => {
  test("is never lost under back-pressure", async () => {
    const visit = await visits.to("vm-1");
    const lines = `${"0123456789abcdef".repeat(4)}\r`.repeat(8_000);
    await visit.type("stty -echo; echo go-$((6*7)); sleep 0.5; head -n 8000 | sha256sum\r");
    await visit.until("go-42");
    for (let at = 0; at < lines.length; at += 16_384) await visit.type(lines.slice(at, at + 16_384));
    await visit.until(createHash("sha256").update(lines.replaceAll("\r", "\n")).digest("hex"), 60_000);
  });

  test("ctrl-c passes input that nobody reads", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("echo go-$((6*7)); sleep 1000\r");
    await visit.until("go-42");
    void visit.type("never read\r".repeat(15_000));
    await poll(() => visit.link.bufferedBytes > 50_000, "input is held up");
    visit.text = "";
    await visit.type("\x03");
    await visit.until("^C");
    await visit.type("echo alive-$((6*7))\r");
    await visit.until("alive-42");
    expect(visit.text).not.toContain("command not found");
  });

  test("ctrl-c is an ordinary key for a program that asked for it", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("stty raw -echo; printf 'raw-%s\\n' now; head -c 3 | od -An -tx1; stty sane\r");
    await visit.until("raw-now");
    await visit.type("a\x03b");
    await visit.until("61 03 62");
  });

  test("what a dying connection swallowed is sent again", async () => {
    const outbox = new InputOutbox();
    const first = await visits.to("vm-1", undefined, outbox);
    await first.type("echo ready-$((6*7))\r");
    await first.until("ready-42");
    const holder = await visits.onlyHolder();
    // Stopped, it reads nothing: what is sent now dies with the connection.
    process.kill(holder, "SIGSTOP");
    void first.type(`: ${"x".repeat(1_000)}\r`.repeat(150));
    void first.type("echo resent-$((6*7))\r");
    visits.place.cut();
    process.kill(holder, "SIGCONT");
    const second = await visits.to("vm-1", { instance: first.link.instance, end: first.end }, outbox);
    await second.until("resent-42");
  });
});
