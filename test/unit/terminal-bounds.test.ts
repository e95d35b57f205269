import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import headless from "@xterm/headless";
import { describe, expect, test } from "vitest";
import { boundEmulator } from "../../server/protocol/bounded-emulator.ts";

const SCREEN = fileURLToPath(new URL("../support/screen-process.ts", import.meta.url));
const PAGE = fileURLToPath(new URL("../support/page-terminal-process.ts", import.meta.url));
const DEADLINE_MS = 25_000;

/** What a page gets of a screen that had to be drawn in little memory and time. */
const drawnApart = (first: string, again = "", times = 0) => inLittle(SCREEN, first, again, `${times}`);

async function inLittle(script: string, ...given: string[]): Promise<string> {
  const argv = ["--max-old-space-size=256", script, ...given];
  const options = { timeout: DEADLINE_MS, killSignal: "SIGKILL" as const };
  const { stdout } = await promisify(execFile)(process.execPath, argv, options);
  return stdout;
}

describe("a sequence that asks for 2147483647 times", () => {
  test.each([
    ["inserted lines", "kept\x1b[2H\x1b[2147483647L"],
    ["deleted lines", "kept\x1b[2H\x1b[2147483647M"],
    ["lines scrolled up", "\x1b[2;12r\x1b[2147483647S\x1b[1Hkept"],
    ["lines scrolled down", "\x1b[2;12r\x1b[2147483647T\x1b[1Hkept"],
    ["tab stops forward", "kept\x1b[2147483647I"],
    ["tab stops backward", "kept\x1b[2147483647Z"],
    ["the preceding character", "kept\r\na\x1b[2147483647b"],
    ["inserted, deleted and erased characters", "kept\x1b[2147483647@\x1b[2147483647P\x1b[2147483647X"],
    ["columns", "\x1b[2H\x1b[2147483647 @\x1b[2147483647 A\x1b[2147483647'}\x1b[2147483647'~\x1b[1Hkept"],
    ["cursor moves", "kept\x1b[2147483647A\x1b[2147483647B\x1b[2147483647C\x1b[2147483647E\x1b[2147483647F"],
  ])("%s", async (_name, output) => {
    expect(await drawnApart(output)).toContain("kept");
  });
});

describe("output without a line's end takes no more memory the longer it goes on", () => {
  test("combining marks on one character", async () => {
    expect(await drawnApart("a", "\u0301", 12_000_000)).toContain("\u0301");
  });

  test("links", async () => {
    expect(await drawnApart("kept", "\x1b]8;;x\x07", 2_000_000)).toContain("kept");
  });

  test("links in the page", async () => {
    expect(await inLittle(PAGE, "\x1b]8;;x\x07l\r", "1000000", "\x1b]8;;\x07kept")).toBe(
      `kept${"\n".repeat(11)}`,
    );
  });
});

/** Lines of a terminal, bounded or as xterm.js has it. */
async function linesOf(output: string, isBounded: boolean): Promise<string[]> {
  const terminal = new headless.Terminal({ cols: 40, rows: 12, scrollback: 100, allowProposedApi: true });
  if (isBounded) boundEmulator(terminal);
  await new Promise<void>((resolve) => terminal.write(output, resolve));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString());
  return [...lines.map(String), `cursor ${active.cursorX} ${active.cursorY}`];
}

const FULL = Array.from({ length: 30 }, (_, row) => `line ${row}`).join("\r\n");

test.each(
  [..."LMSTIZb"].flatMap((final) => ["", "0", "1", "5", "40"].map((count) => [`${count}${final}`] as const)),
)("as many as fit on the screen are all done: CSI %s", async (sequence) => {
  const output = `${FULL}\x1b[4;10Ha\x1b[${sequence}x`;
  expect(await linesOf(output, true)).toEqual(await linesOf(output, false));
});

test("more lines than the screen has do what a screenful does", async () => {
  for (const final of "LMST") {
    const output = `${FULL}\x1b[4;10H\x1b[300${final}x`;
    expect(await linesOf(output, true)).toEqual(await linesOf(output, false));
  }
});

test("a character has ten combining marks; one too many gets a cell of its own", async () => {
  const [line = ""] = await linesOf(`e${"\u0301".repeat(11)}z`, true);
  expect(line.trimEnd()).toBe(`e${"\u0301".repeat(11)}z`);
  const marks = (count: number) => linesOf(`e${"\u0301".repeat(count)}`, true);
  expect((await marks(10)).at(-1)).toBe("cursor 1 0");
  expect((await marks(11)).at(-1)).toBe("cursor 2 0");
});
