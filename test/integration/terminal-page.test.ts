import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run as runOnHost } from "../../sandboxes/run.ts";
import { createTerminalHub } from "../../server/terminal/terminal-hub.ts";
import { openBrowser, type TestBrowser, type Visitor } from "../e2e/support/browser.ts";
import { poll } from "../poll.ts";
import { type LocalPlace, makeLocalPlace } from "../support/local-place.ts";
import { serveTerminals, type TerminalServer } from "../support/terminal-server.ts";

const WAIT_MS = 30_000;

let browser: TestBrowser;
let visitor: Visitor;
let context: BrowserContext;
let place: LocalPlace;
let hub: ReturnType<typeof createTerminalHub>;
let server: TerminalServer;
let complaints: string[];

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  place = await makeLocalPlace();
  hub = makeHub();
  server = await serveTerminals(hub);
  visitor = await browser.visit({ width: 900, height: 600 });
  context = visitor.context;
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  complaints = [];
});
afterEach(async () => {
  await visitor?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  await hub?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

const makeHub = () =>
  createTerminalHub({
    resolve: () => ({ place: () => place, openConsole: () => Promise.reject(new Error("no console here")) }),
  });

/** A page as a screen reader has it, so that its text can be read here as well. */
async function openPage(query = "", as = context): Promise<Page> {
  const page = await as.newPage();
  page.on("console", (message) => {
    if (/Content Security Policy|Uncaught/i.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${server.url}/?reader${query}`);
  await inState(page, "open");
  await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
  return page;
}

async function inState(page: Page, state: string): Promise<void> {
  await page.locator(`.terminal[data-state="${state}"]`).waitFor({ timeout: WAIT_MS });
}

/** The rows of the screen, as read out. */
async function rows(page: Page): Promise<string[]> {
  return (await page.getByRole("listitem").allTextContents()).map((row) =>
    row.replaceAll("\u00a0", " ").trimEnd(),
  );
}

async function shows(page: Page, text: string): Promise<void> {
  let seen: string[] = [];
  const isThere = async () => {
    seen = await rows(page);
    return seen.join("\n").includes(text);
  };
  await poll(isThere, text, { timeoutMs: WAIT_MS }).catch((error: Error) => {
    throw new Error(`${error.message}; there is ${JSON.stringify(seen.filter(Boolean))}`);
  });
}

/** Types a command with real keys and waits for what it prints. */
async function run(page: Page, command: string, until: string): Promise<void> {
  await page.keyboard.type(`${command}\n`);
  await shows(page, until);
}

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

describe("in a browser", () => {
  test("one types, sees and reads, and the page's policy is kept", async () => {
    const page = await openPage();
    await run(page, "echo $((6*7))-$TERM", "42-xterm-256color");
    await page.evaluate(() => window.handle?.runCommand("echo by-click-$((6*7))"));
    await shows(page, "by-click-42");
    expect(complaints).toEqual([]);
  });

  test("the shell has the size of the page, always", async () => {
    const page = await openPage();
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

  test("100 kB pasted arrive whole in a file", async () => {
    const page = await openPage();
    const file = join(place.directory, "pasted");
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
    const page = await openPage();
    const file = join(place.directory, "edited");
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
    const page = await openPage();
    await run(page, "stty -echo; echo go-$((6*7)); sleep 1000", "go-42");
    await paste(page, PASTE.repeat(5));
    await page.keyboard.press("Control+C");
    await run(page, "stty echo; clear; echo alive-$((6*7))", "alive-42");
    expect((await rows(page)).join("\n")).not.toContain("item");
  });

  test("20 MB shown arrive whole", async () => {
    const page = await openPage("&quiet");
    const line = "the quick brown fox jumps over the lazy dog, and then some more of it\n";
    const content = Array.from({ length: 280_000 }, (_, index) => `${index} ${line}`).join("");
    const file = join(place.directory, "large");
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
    const page = await openPage();
    await page.keyboard.type("yes\n");
    await poll(() => hub.use().some(({ bufferedBytes }) => bufferedBytes > 300_000), "a flood", {
      timeoutMs: WAIT_MS,
    });
    await page.keyboard.press("Control+C");
    await run(page, "clear; echo alive-$((6*7))", "alive-42");
  });

  test("a flood is drawn now and then, and its end is seen", async () => {
    const page = await openPage();
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

  test("a full-screen program is there again after a reload, and goes on", async () => {
    const page = await openPage();
    const file = join(place.directory, "text");
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
    const page = await openPage();
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

  test("a broken connection is back soon, and nothing is missing or there twice", async () => {
    const page = await openPage();
    await page.keyboard.type("for i in $(seq 1 150); do echo n$i.; sleep 0.02; done; echo over-$((6*7))\n");
    await shows(page, "n20.");
    await page.evaluate(() => {
      const states: string[] = [];
      const terminal = document.querySelector<HTMLElement>(".terminal");
      if (!terminal) return;
      new MutationObserver(() => states.push(terminal.dataset.state ?? "")).observe(terminal, {
        attributeFilter: ["data-state"],
      });
      window.states = states;
    });
    const gotten = page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          let text = "";
          window.socket.on("terminal:output", (_id, _offset, data) => {
            text += new TextDecoder().decode(data);
            if (text.includes("over-42")) resolve(text);
          });
        }),
    );
    server.disconnectPages();
    await page.waitForFunction(() => window.states?.at(-1) === "open", undefined, { timeout: WAIT_MS });
    const states = (await page.evaluate(() => window.states)) ?? [];
    expect(states).toEqual(["offline", "open"]);
    const numbers = [...(await gotten).matchAll(/n(\d+)\./g)].map(([, number]) => Number(number));
    expect(numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1)).toBe(
      true,
    );
    expect(numbers.at(-1)).toBe(150);
  });

  test("a new server finds the screen, the scrollback and the shell", async () => {
    const page = await openPage();
    await run(page, "seq 1 500; echo pid-$$-$((6*7))", "-42");
    await poll(async () => /[#$] ?$/.test((await rows(page)).findLast(Boolean) ?? ""), "the prompt");
    const before = await rows(page);
    const port = Number(new URL(server.url).port);
    await server[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
    await inState(page, "offline");
    hub = makeHub();
    server = await serveTerminals(hub, port);
    await inState(page, "open");
    await poll(async () => (await rows(page)).join("\n") === before.join("\n"), "the same screen");
    for (let times = 0; times < 20; times += 1) await page.keyboard.press("Shift+PageUp");
    await shows(page, "seq 1 500");
    await run(page, "echo pid-$$-$((6*6))", "-36");
    const pids = [...(await rows(page)).join("\n").matchAll(/pid-(\d+)-/g)].map(([, pid]) => pid);
    expect(new Set(pids).size).toBe(1);
  });

  test("another page watches, and can take the keyboard", async () => {
    const first = await openPage();
    await run(first, "echo one-$((6*7))", "one-42");
    const second = await context.newPage();
    await second.goto(`${server.url}/?reader`);
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
    const page = await openPage();
    const second = await context.newPage();
    await second.goto(`${server.url}/?reader`);
    await inState(second, "watching");
    await run(page, "printf '\\e[6n'; IFS= read -rsd R at; printf '%q\\n' \"$at\"; echo $((6*7)).", "42.");
    await run(page, "echo next-$((6*7))", "next-42");
    const text = (await rows(page)).join("\n");
    expect(text).toMatch(/E\[\d+;1/);
    expect(text.match(/\d+;\d+R/g)).toBeNull();
  });

  test("the shell's end is told, and a new one is a key away", async () => {
    const page = await openPage();
    await page.keyboard.type("exit 5\n");
    await inState(page, "ended");
    await page.getByText("The shell has ended (5).").waitFor();
    await page.getByRole("button", { name: "Start a new shell" }).focus();
    await page.keyboard.press("Enter");
    await inState(page, "open");
    await run(page, "echo new-$((6*7))", "new-42");
  });

  test("what was lost is told with its reason", async () => {
    const page = await openPage();
    await run(page, "echo one-$((6*7))", "one-42");
    place.failure = new Error("no route to the VM");
    place.cut();
    await inState(page, "lost");
    await page.getByRole("status").getByText("no route to the VM").waitFor();
    place.failure = undefined;
    await inState(page, "open");
    await run(page, "echo two-$((6*7))", "two-42");
  });

  test("a command clicked before the shell is there runs when it is", async () => {
    place.failure = new Error("the VM is starting");
    const page = await context.newPage();
    await page.goto(`${server.url}/?reader`);
    await inState(page, "lost");
    await page.evaluate(() => window.handle?.runCommand("echo clicked-$((6*7))"));
    place.failure = undefined;
    await shows(page, "clicked-42");
    expect((await rows(page)).filter((row) => row.includes("echo clicked-$"))).toHaveLength(1);
  });

  test("a shell that takes its time to start is told as such until it prints, and gets what was typed", async () => {
    const begin = join(place.directory, "begin");
    await runOnHost(["mkfifo", begin], { timeoutMs: WAIT_MS });
    place.shell = ["sh", "-c", `cat '${begin}'; exec bash --norc --noprofile -i`];
    const page = await context.newPage();
    await page.goto(`${server.url}/?reader`);
    const told = page.getByRole("status").getByText("The shell is starting.");
    await told.waitFor({ timeout: WAIT_MS });
    await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
    await page.keyboard.type("echo early-$((6*7))\n");
    expect((await rows(page)).filter(Boolean)).toEqual([]);
    await writeFile(begin, "");
    await shows(page, "early-42");
    expect(await told.count()).toBe(0);
    expect((await rows(page)).filter((row) => row.includes("echo early-$"))).toHaveLength(1);
  });

  test("text is found, by keyboard alone", async () => {
    const page = await openPage();
    await run(page, "seq 1 300; echo over-$((6*7))", "over-42");
    await page.keyboard.press("Control+Shift+F");
    await page.getByRole("searchbox", { name: "Find" }).fill("137");
    await page.getByText("1/1").waitFor();
    await shows(page, "137");
    await page.keyboard.press("Escape");
    await run(page, "echo typed-$((6*7))", "typed-42");
  });

  test("a selection is copied", async () => {
    const page = await openPage();
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
    const page = await openPage("", webglVisitor.context);
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
    expect(complaints).toEqual([]);
  });
});
