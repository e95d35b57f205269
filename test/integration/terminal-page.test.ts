import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { run as runOnHost } from "../../sandboxes/run.ts";
import { openBrowser } from "../e2e/support/browser.ts";
import { poll } from "../poll.ts";
import { inState, rows, run, setUpServedTerminal, shows, WAIT_MS } from "../support/served-terminal.ts";

const served = setUpServedTerminal();

/** New shells run only after something was written to the file that it gives. */
async function makeShellWait(): Promise<string> {
  const begin = join(served.place.directory, "begin");
  await runOnHost(["mkfifo", begin], { timeoutMs: WAIT_MS });
  served.place.shell = ["sh", "-c", `cat '${begin}'; exec bash --norc --noprofile -i`];
  return begin;
}

/** A page in which no time passes by itself, so that a busy host can't make a shell's start too long. */
async function openStoppedPage(): Promise<Page> {
  const page = await served.context.newPage();
  await page.clock.install({ time: 0 });
  // While there is nothing on the page, a jump is none.
  await page.clock.pauseAt(60_000);
  await page.goto(`${served.url}/?reader`);
  return page;
}

/** Lets time pass on a stopped page until it is so, and no more of it than that. */
async function passUntil(page: Page, isSo: () => Promise<boolean>, what: string): Promise<void> {
  const isSoNow = async () => {
    await page.clock.runFor(20);
    return await isSo();
  };
  await poll(isSoNow, what, { timeoutMs: WAIT_MS });
}

const isToldStarting = async (page: Page) =>
  (await page.getByRole("status").getByText("The shell is starting.").count()) > 0;

/** Types to a shell that waits, of which the page says that it starts, and expects it of the shell once it runs. */
async function expectTypedOnce(page: Page, begin: string): Promise<void> {
  await passUntil(page, () => isToldStarting(page), "told that the shell starts");
  await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
  await page.keyboard.type("echo early-$((6*7))\n");
  await page.evaluate(() => {
    window.gotten = "";
    window.socket.on("terminal:output", (_id, _offset, data) => {
      window.gotten += new TextDecoder().decode(data);
    });
  });
  await writeFile(begin, "");
  // Time passes again only when the shell has printed, so that it may take as long as it likes to begin.
  await poll(async () => (await page.evaluate(() => window.gotten)) !== "", "output", { timeoutMs: WAIT_MS });
  await page.clock.resume();
  await shows(page, "early-42");
  expect(await isToldStarting(page)).toBe(false);
  expect((await rows(page)).filter((row) => row.includes("echo early-$"))).toHaveLength(1);
}

describe("in a browser", () => {
  test("one types, sees and reads, and the page's policy is kept", async () => {
    const page = await served.openPage();
    await run(page, "echo $((6*7))-$TERM", "42-xterm-256color");
    await page.evaluate(() => window.handle?.runCommand("echo by-click-$((6*7))"));
    await shows(page, "by-click-42");
    expect(served.complaints).toEqual([]);
  });

  test("the shell has the size of the page, always", async () => {
    const page = await served.openPage();
    const sizeOf = async () => {
      await run(page, "clear; echo size=$(stty size).", "size=");
      // What is typed has `size=` in it as well.
      let size: number[] = [];
      await poll(async () => {
        const said = /size=(\d+) (\d+)\./.exec((await rows(page)).join("\n"));
        size = (said?.slice(1) ?? []).map(Number);
        return size.length === 2;
      }, "the answer");
      return size;
    };
    const [before = 0] = await sizeOf();
    await page.setViewportSize({ width: 700, height: 300 });
    let after: number[] = [];
    await poll(async () => {
      after = await sizeOf();
      return (after[0] ?? 0) < before;
    }, "the smaller size");
    expect(after[0]).toBe((await rows(page)).length);
  });

  test("a full-screen program is there again after a reload, and goes on", async () => {
    const page = await served.openPage();
    const file = join(served.place.directory, "text");
    await writeFile(
      file,
      Array.from({ length: 200 }, (_, line) => `line ${line + 1} of the text\n`).join(""),
    );
    await run(page, `less ${file}`, "line 20 of the text");
    await poll(async () => (await rows(page)).at(-1)?.includes(file) ?? false, "the last line is drawn");
    const before = await rows(page);
    await page.reload();
    await inState(page, "open");
    await poll(async () => (await rows(page)).join("\n") === before.join("\n"), "the screen as it was");
    await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
    await page.keyboard.press("Space");
    await shows(page, "line 60 of the text");
    await page.keyboard.press("q");
    await run(page, "echo back-$((6*7))", "back-42");
  });

  test("programs that want the mouse get it, also after a reload", async () => {
    const page = await served.openPage();
    await run(page, "printf '\\e[?1000h\\e[?1006h'; echo go-$((6*7)); cat -v", "go-42");
    await page.mouse.click(200, 100);
    await shows(page, "^[[<0;");
    await page.reload();
    await inState(page, "open");
    await shows(page, "go-42");
    await page.mouse.move(300, 200);
    await page.mouse.wheel(0, 100);
    await shows(page, "^[[<65;");
  });

  test("another page watches, and can take the keyboard", async () => {
    const first = await served.openPage();
    await run(first, "echo one-$((6*7))", "one-42");
    const second = await served.context.newPage();
    await second.goto(`${served.url}/?reader`);
    await inState(second, "watching");
    await shows(second, "one-42");
    await second.getByRole("textbox", { name: "Shell on the VM" }).focus();
    await second.keyboard.type("intruder");
    await second.getByRole("button", { name: "Take the keyboard" }).click();
    await inState(second, "open");
    await inState(first, "watching");
    await run(second, "echo two-$((6*7))", "two-42");
    await shows(first, "two-42");
    expect((await rows(first)).join("\n")).not.toContain("intruder");
  });

  test("a program's question is answered once, however many look on", async () => {
    const page = await served.openPage();
    const second = await served.context.newPage();
    await second.goto(`${served.url}/?reader`);
    await inState(second, "watching");
    await run(page, "printf '\\e[6n'; IFS= read -rsd R at; printf '%q\\n' \"$at\"; echo $((6*7)).", "42.");
    await run(page, "echo next-$((6*7))", "next-42");
    const text = (await rows(page)).join("\n");
    expect(text).toMatch(/E\[\d+;1/);
    expect(text.match(/\d+;\d+R/g)).toBeNull();
  });

  test("the shell's end is told, and a new one is a key away", async () => {
    const page = await served.openPage();
    await page.keyboard.type("exit 5\n");
    await inState(page, "ended");
    await page.getByText("The shell has ended (5).").waitFor();
    await page.getByRole("button", { name: "Start a new shell" }).focus();
    await page.keyboard.press("Enter");
    await inState(page, "open");
    await run(page, "echo new-$((6*7))", "new-42");
  });

  test("a shell that takes its time to start is told as such until it prints, and gets what was typed", async () => {
    const begin = await makeShellWait();
    await expectTypedOnce(await openStoppedPage(), begin);
  });

  test("a shell after one that has ended gets what was typed while it started once, too", async () => {
    const page = await openStoppedPage();
    const ended = page.locator('.terminal[data-state="ended"]');
    await passUntil(page, async () => (await rows(page)).some(Boolean), "a prompt");
    await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
    await page.keyboard.type("exit\n");
    await passUntil(page, async () => (await ended.count()) > 0, "the shell's end");
    const begin = await makeShellWait();
    await page.getByRole("button", { name: "Start a new shell" }).focus();
    await page.keyboard.press("Enter");
    await expectTypedOnce(page, begin);
  });

  test("a shell that prints nothing is typed to all the same, and told as starting no longer", async () => {
    const file = join(served.place.directory, "typed");
    served.place.shell = ["sh", "-c", `stty -echo; exec cat > '${file}'`];
    const typed = () => readFile(file, "utf8").catch(() => undefined);
    const page = await openStoppedPage();
    await passUntil(page, () => isToldStarting(page), "told that the shell starts");
    await poll(async () => (await typed()) === "", "the shell reads", { timeoutMs: WAIT_MS });
    await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
    await page.keyboard.type("early\n");
    await page.clock.runFor(10_000);
    await poll(async () => !(await isToldStarting(page)), "told so no longer", { timeoutMs: WAIT_MS });
    await poll(async () => (await typed()) === "early\n", "what was typed", { timeoutMs: WAIT_MS });
  });

  test("text is found, by keyboard alone", async () => {
    const page = await served.openPage();
    await run(page, "seq 1 300; echo over-$((6*7))", "over-42");
    await page.keyboard.press("Control+Shift+F");
    await page.getByRole("searchbox", { name: "Find" }).fill("137");
    await page.getByText("1/1").waitFor();
    await shows(page, "137");
    await page.keyboard.press("Escape");
    await run(page, "echo typed-$((6*7))", "typed-42");
  });

  test("a selection is copied", async () => {
    const page = await served.openPage();
    await run(page, "clear; echo copy-$((6*7))-me", "copy-42-me");
    const row = (await rows(page)).indexOf("copy-42-me");
    const box = await page.locator(".xterm-screen").boundingBox();
    const height = (box?.height ?? 0) / (await rows(page)).length;
    await page.mouse.dblclick((box?.x ?? 0) + 20, (box?.y ?? 0) + (row + 0.5) * height);
    await poll(
      async () => (await page.evaluate(() => navigator.clipboard.readText())).startsWith("copy-42-me"),
      "copied",
    );
  });
});

describe("in a browser with a graphics card", () => {
  /** Pixels of the screen that are clearly red, in a picture of it. */
  async function redPixels(page: Page): Promise<number> {
    const picture = await page.locator(".xterm-screen").screenshot();
    return await page.evaluate(async (base64) => {
      const blob = new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]);
      const image = await createImageBitmap(blob);
      const drawing = new OffscreenCanvas(image.width, image.height).getContext("2d");
      drawing?.drawImage(image, 0, 0);
      const { data = [] } = drawing?.getImageData(0, 0, image.width, image.height) ?? {};
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if ((data[at] ?? 0) > 2 * Math.max(data[at + 1] ?? 0, data[at + 2] ?? 0)) count += 1;
      return count;
    }, picture.toString("base64"));
  }

  test("WebGL draws, and the DOM where the browser takes its context away", async (testContext) => {
    await using webglBrowser = await openBrowser({ hasWebgl: true });
    await using webglVisitor = await webglBrowser.visit({ width: 900, height: 600 });
    const hasWebgl = () => document.createElement("canvas").getContext("webgl2") !== null;
    if (!(await webglVisitor.page.evaluate(hasWebgl)))
      return testContext.skip("Chromium gives no WebGL on this host");
    // The processor draws here, but says that it is a graphics card, or WebGL would not be used.
    await webglVisitor.context.addInitScript(() => {
      const [UNMASKED_RENDERER, RENDERER] = [0x9246, 0x1f01];
      const ask = WebGL2RenderingContext.prototype.getParameter;
      WebGL2RenderingContext.prototype.getParameter = function (name: number) {
        return name === UNMASKED_RENDERER || name === RENDERER ? "graphics card" : ask.call(this, name);
      };
    });
    const page = await served.openPage("", webglVisitor.context);
    const drawnByDom = page.locator(".xterm-rows");
    expect(await drawnByDom.count()).toBe(0);
    expect(await redPixels(page)).toBe(0);
    const red = (letter: string) => `printf '\\e[31m%s\\e[0m\\n' $(printf ${letter}%.0s $(seq 60))`;
    await run(page, red("M"), "M".repeat(60));
    await poll(async () => (await redPixels(page)) > 500, "text drawn by WebGL");

    await page.evaluate(() => {
      for (const canvas of document.querySelectorAll<HTMLCanvasElement>(".xterm-screen canvas"))
        canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
    });
    await drawnByDom.waitFor({ state: "attached", timeout: WAIT_MS });
    await run(page, red("W"), "W".repeat(60));
    await poll(async () => (await drawnByDom.textContent())?.includes("W".repeat(60)) ?? false, "its rows");
    expect(await drawnByDom.textContent()).toContain("M".repeat(60));
    await poll(async () => (await redPixels(page)) > 1_000, "text drawn by the DOM");
    expect(served.complaints).toEqual([]);
  });
});
