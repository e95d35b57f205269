import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import { poll } from "../poll.ts";
import { inState, rows, run, setUpServedTerminal, shows, WAIT_MS } from "../support/served-terminal.ts";

const served = setUpServedTerminal();

async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate((copied) => navigator.clipboard.writeText(copied), text);
  await page.keyboard.press("Control+Shift+V");
}

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

/** 100 kB of what people paste: a long YAML, with characters of every length. */
const PASTE = Array.from(
  { length: 1_600 },
  (_, line) => `  - name: item-${line} # größe 语言 🧰 ${"x".repeat(line % 60)}`,
)
  .join("\n")
  .concat("\n");

describe("much at once", () => {
  test("100 kB pasted arrive whole in a file", async () => {
    const page = await served.openPage();
    const file = join(served.place.directory, "pasted");
    await run(page, `stty -echo; echo go-$((6*7)); cat > ${file}`, "go-42");
    expect(Buffer.byteLength(PASTE)).toBeGreaterThan(100_000);
    await paste(page, PASTE);
    await poll(
      async () => (await readFile(file).catch(() => "")).length >= Buffer.byteLength(PASTE),
      "paste",
      {
        timeoutMs: WAIT_MS,
      },
    );
    await page.keyboard.press("Control+D");
    expect(sha256(await readFile(file))).toBe(sha256(PASTE));
  });

  test("100 kB pasted arrive whole in vim", async (context) => {
    if (!existsSync("/usr/bin/vim")) return context.skip("there is no vim on this host");
    const page = await served.openPage();
    const file = join(served.place.directory, "edited");
    await run(page, `vim -u NONE -N --cmd 'set noswapfile' ${file}`, "[New]");
    await page.keyboard.type("i");
    await shows(page, "-- INSERT --");
    await paste(page, PASTE);
    await shows(page, "item-1599");
    await page.keyboard.press("Escape");
    await page.keyboard.type(":wq\n");
    await poll(
      async () => (await readFile(file).catch(() => "")).length >= Buffer.byteLength(PASTE),
      "written",
    );
    // vim ends the last line, which the paste had ended already.
    expect(sha256((await readFile(file, "utf8")).trimEnd())).toBe(sha256(PASTE.trimEnd()));
  });

  test("ctrl-c stops a paste that nobody reads", async () => {
    const page = await served.openPage();
    await run(page, "stty -echo; echo go-$((6*7)); sleep 1000", "go-42");
    await paste(page, PASTE.repeat(5));
    await page.keyboard.press("Control+C");
    await run(page, "stty echo; clear; echo alive-$((6*7))", "alive-42");
    expect((await rows(page)).join("\n")).not.toContain("item");
  });

  test("20 MB shown arrive whole", async () => {
    const page = await served.openPage("&quiet");
    const line = "the quick brown fox jumps over the lazy dog, and then some more of it\n";
    const content = Array.from({ length: 280_000 }, (_, index) => `${index} ${line}`).join("");
    const file = join(served.place.directory, "large");
    await writeFile(file, content);
    await run(page, "exec env PS1= sh", "exec env");
    await run(page, "stty -echo -opost; echo bare-$((6*7))", "bare-42");
    await page.evaluate((length) => {
      const got = new Uint8Array(length);
      let at = 0;
      window.digest = new Promise((resolve) => {
        window.socket.on("terminal:output", (_id, _offset, data) => {
          const bytes = new Uint8Array(data).subarray(0, length - at);
          got.set(bytes, at);
          at += bytes.length;
          if (at === length) resolve(crypto.subtle.digest("SHA-256", got));
        });
      });
    }, content.length);
    await page.evaluate((path) => window.handle?.runCommand(`cat ${path}`), file);
    const digest = await page.evaluate(async () => Array.from(new Uint8Array((await window.digest) ?? [])));
    expect(Buffer.from(digest).toString("hex")).toBe(sha256(content));
  });

  test("ctrl-c works in a flood", async () => {
    const page = await served.openPage();
    await page.keyboard.type("yes\n");
    await poll(() => served.hub.use().some(({ bufferedBytes }) => bufferedBytes > 300_000), "a flood", {
      timeoutMs: WAIT_MS,
    });
    await page.keyboard.press("Control+C");
    await run(page, "clear; echo alive-$((6*7))", "alive-42");
  });

  test("a flood is drawn now and then, and its end is seen", async () => {
    const page = await served.openPage();
    await page.evaluate(() => {
      const drawn: number[] = [];
      const rows = document.querySelector(".xterm-rows");
      if (rows)
        new MutationObserver(() => {
          const now = performance.now();
          // xterm.js makes the rows twice for one frame.
          if (now - (drawn.at(-1) ?? 0) > 10) drawn.push(now);
        }).observe(rows, { childList: true, subtree: true });
      window.drawn = drawn;
    });
    await run(page, "seq 1000000 2000000; echo over-$((6*7))", "over-42");
    await poll(
      async () => (await page.locator(".xterm-rows").textContent())?.includes("over-42") ?? false,
      "the end on the screen",
    );
    const drawn = (await page.evaluate(() => window.drawn)) ?? [];
    const pauses = drawn.slice(1).map((at, index) => at - (drawn[index] ?? 0));
    expect(pauses.length).toBeGreaterThan(10);
    expect(pauses.toSorted((a, b) => a - b)[Math.floor(pauses.length / 2)]).toBeGreaterThan(45);
  });
});

describe("when a link breaks", () => {
  test("a broken connection is back soon, and nothing is missing or there twice", async () => {
    const page = await served.openPage();
    await page.evaluate(() => {
      window.gotten = "";
      window.socket.on("terminal:output", (_id, _offset, data) => {
        window.gotten += new TextDecoder().decode(data);
      });
    });
    const has = async (text: string) => {
      const includes = (wanted: string) => window.gotten?.includes(wanted);
      await page.waitForFunction(includes, text, { timeout: WAIT_MS });
    };
    const enough = join(served.place.directory, "enough");
    const count = `i=0; until [ -e ${enough} ]; do i=$((i+1)); echo n$i.; sleep 0.02; done; echo over-$((6*7))`;
    await page.keyboard.type(`${count}\n`);
    await has("n20.");
    await page.evaluate(() => {
      const states: string[] = [];
      const terminal = document.querySelector<HTMLElement>(".terminal");
      if (!terminal) return;
      new MutationObserver(() => states.push(terminal.dataset.state ?? "")).observe(terminal, {
        attributeFilter: ["data-state"],
      });
      window.states = states;
    });
    served.server.disconnectPages();
    await page.waitForFunction(() => window.states?.at(-1) === "open", undefined, { timeout: WAIT_MS });
    const states = (await page.evaluate(() => window.states)) ?? [];
    expect(states).toEqual(["offline", "open"]);
    await writeFile(enough, "");
    await has("over-42");
    const gotten = (await page.evaluate(() => window.gotten)) ?? "";
    const numbers = [...gotten.matchAll(/n(\d+)\./g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(numbers.length).toBeGreaterThan(20);
  });

  test("a new server finds the screen, the scrollback and the shell", async () => {
    const page = await served.openPage();
    await run(page, "seq 1 500; echo pid-$$-$((6*7))", "-42");
    await poll(async () => /[#$] ?$/.test((await rows(page)).findLast(Boolean) ?? ""), "the prompt");
    const before = await rows(page);
    await served.stop();
    await inState(page, "offline");
    await served.start();
    await inState(page, "open");
    await poll(async () => (await rows(page)).join("\n") === before.join("\n"), "the same screen");
    for (let times = 0; times < 20; times += 1) await page.keyboard.press("Shift+PageUp");
    await shows(page, "seq 1 500");
    await run(page, "echo pid-$$-$((6*6))", "-36");
    const pids = [...(await rows(page)).join("\n").matchAll(/pid-(\d+)-/g)].map(([, pid]) => pid);
    expect(new Set(pids).size).toBe(1);
  });

  test("a new server that reaches the shell at its second try only gives it the keyboard again", async () => {
    const page = await served.openPage();
    await run(page, "echo one-$((6*7))", "one-42");
    await served.stop();
    await inState(page, "offline");
    served.place.failure = new LabError("machine_failed", "no route to the VM");
    await served.start();
    await inState(page, "lost");
    served.place.failure = undefined;
    await inState(page, "open");
    await run(page, "echo two-$((6*7))", "two-42");
  });

  test("what was lost is told with its reason", async () => {
    const page = await served.openPage();
    await run(page, "echo one-$((6*7))", "one-42");
    served.place.failure = new LabError("machine_failed", "no route to the VM");
    served.place.cut();
    await inState(page, "lost");
    await page.getByRole("status").getByText("no route to the VM").waitFor();
    served.place.failure = undefined;
    await inState(page, "open");
    await run(page, "echo two-$((6*7))", "two-42");
  });

  test("a command clicked before the shell is there runs when it is", async () => {
    served.place.failure = new Error("the VM is starting");
    const page = await served.context.newPage();
    await page.goto(`${served.url}/?reader`);
    await inState(page, "lost");
    await page.evaluate(() => window.handle?.runCommand("echo clicked-$((6*7))"));
    served.place.failure = undefined;
    await shows(page, "clicked-42");
    expect((await rows(page)).filter((row) => row.includes("echo clicked-$"))).toHaveLength(1);
  });
});
