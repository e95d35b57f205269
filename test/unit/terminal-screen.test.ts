import { Buffer } from "node:buffer";
import headless from "@xterm/headless";
import { describe, expect, test } from "vitest";
import { boundEmulator } from "../../server/protocol/bounded-emulator.ts";
import { Screen } from "../../server/terminal/screen.ts";

const SIZE = { cols: 40, rows: 12 };

function drawn(screen: Screen): Promise<void> {
  return new Promise((resolve) => screen.whenDrawn(resolve));
}

/** The first sixteen colours can be said in two ways. */
const colour = (isRgb: boolean | undefined, value: number | undefined) => `${isRgb ? "#" : ""}${value}`;

/** What a page's terminal shows and would do next, after writing these. */
async function shownBy(...writes: (string | Uint8Array)[]) {
  const terminal = new headless.Terminal({ ...SIZE, scrollback: 5_000, allowProposedApi: true });
  boundEmulator(terminal);
  for (const data of writes) await new Promise<void>((resolve) => terminal.write(data, resolve));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => {
    const line = active.getLine(row);
    return Array.from({ length: SIZE.cols }, (_, column) => {
      const cell = line?.getCell(column);
      const look = [colour(cell?.isFgRGB(), cell?.getFgColor()), colour(cell?.isBgRGB(), cell?.getBgColor())];
      const style = [cell?.isBold(), cell?.isUnderline(), cell?.isInverse(), cell?.isItalic(), cell?.isDim()];
      const chars = cell?.getChars() || " ";
      // A blank's own colour is not to be seen.
      return chars === " " ? look[1] : `${chars}${look}${style.map(Number)}`;
    }).join("|");
  });
  return { kind: active.type, cursor: [active.cursorX, active.cursorY], modes: terminal.modes, lines };
}

/** What a page sees that comes when `before` has been printed and stays for `after`. */
async function shownAcross(before: string, after: string) {
  const screen = new Screen({ offset: 0, ...SIZE }, () => {});
  screen.write(Buffer.from(before));
  await drawn(screen);
  const { text, offset } = screen.snapshot();
  const rest = Buffer.from(before + after).subarray(offset);
  return await shownBy(text, rest);
}

const FULL_SCREEN = "\x1b[?1049h\x1b[H\x1b[2J\x1b[7mtop\x1b[0m\r\nline\x1b[12;1H~ status";

describe("a page that comes later sees what one sees that was there", () => {
  test.each([
    ["a prompt", "\x1b[?2004hadmin@vm:~$ ", "ls\r\n"],
    [
      "more lines than the screen has",
      Array.from({ length: 60 }, (_, i) => `line ${i}\r\n`).join(""),
      "more\r\n",
    ],
    ["a coloured pen", "one \x1b[1;4;32mtwo", " three\x1b[0m four"],
    ["a half-said escape sequence", "plain \x1b[3", "1mred\x1b[0m plain"],
    [
      "a half-said character",
      Buffer.from("caf\xc3", "latin1").toString("latin1").slice(0, 3),
      "é and 语\r\n",
    ],
    ["a program on the other screen", `$ vi\r\n${FULL_SCREEN}`, "\x1b[3;5Hmore"],
    ["leaving the other screen", `$ vi\r\n${FULL_SCREEN}`, "\x1b[?1049l$ back"],
    ["a coloured pen on the other screen", `\x1b[35m${FULL_SCREEN}`, "\x1b[5;5Hx"],
    ["a scroll region", "\x1b[3;8r\x1b[8;1Hlast of region", "\r\n\r\nscrolled"],
    ["origin mode", "\x1b[3;8r\x1b[?6h\x1b[2;2Hin region", "\x1b[1;1Hfirst row of it"],
    ["a saved cursor", "ab\x1b[5;7H\x1b7\x1b[1;1H", "x\x1b8here"],
    ["line drawing", "\x1b(0lqqk", "x\x1b(B|"],
    ["insert mode", "abc\x1b[4h\x1b[1;1H", "X"],
    ["a line that just fits", `${"x".repeat(40)}`, "y wraps"],
    ["wrapped lines", "w".repeat(130), "\r\n$ "],
    ["wide characters", "表".repeat(25), "終"],
    ["more combining marks than a character takes", `e${"\u0301".repeat(25)}`, `${"\u0301".repeat(9)}z`],
    ["application keys and mouse", "\x1b[?1h\x1b=\x1b[?1002h\x1b[?1006h", ""],
    ["background colour to the end of a line", "\x1b[44mblue\x1b[K\x1b[0m\r\n", "$ "],
  ])("%s", async (_name, before, after) => {
    expect(await shownAcross(before, after)).toEqual(await shownBy(before + after));
  });
});

/** What no public interface tells, seen in what the terminal answers and sends. */
test("hidden cursor, cursor style and mouse reports come back", async () => {
  const screen = new Screen({ offset: 0, ...SIZE }, () => {});
  screen.write(Buffer.from("\x1b[?25l\x1b[4 q\x1b[?1000h\x1b[?1006h"));
  await drawn(screen);
  const { text } = screen.snapshot();
  for (const sequence of ["\x1b[?25l", "\x1b[4 q", "\x1b[?1000h", "\x1b[?1006h"])
    expect(text).toContain(sequence);
});

test("a screen too large for what a snapshot may be keeps as many of its newest lines as fit", async () => {
  const screen = new Screen({ offset: 0, ...SIZE }, () => {});
  const lines = Array.from(
    { length: 2_000 },
    (_, line) => `\x1b[3${line % 8}m${line}\x1b[0m ${"語".repeat(8)}`,
  );
  screen.write(Buffer.from(lines.join("\r\n")));
  await drawn(screen);
  const limitBytes = 20_000;
  const { text } = screen.snapshot(5_000, limitBytes);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limitBytes);
  expect(Buffer.byteLength(text)).toBeGreaterThan(limitBytes * 0.8);
  expect(text).toContain("1999");
});

/** Numbers that are the same each time, so that a failure can be looked at (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PIECES = [
  () => "word ",
  () => "\r\n",
  () => "naïve 语言 ",
  (n: number) => `\x1b[${30 + (n % 8)}m`,
  (n: number) => `\x1b[${40 + (n % 8)}m`,
  (n: number) => `\x1b[38;5;${n % 256}m`,
  () => "\x1b[0m",
  () => "\x1b[1m",
  (n: number) => `\x1b[${1 + (n % 12)};${1 + (n % 40)}H`,
  () => "\x1b[K",
  () => "\x1b[2J",
  (n: number) => `\x1b[${1 + (n % 3)}L`,
  (n: number) => `\x1b[${1 + (n % 3)}P`,
  () => "\x1b[?1049h\x1b[H",
  () => "\x1b[?1049l",
  () => "\x1b]0;title\x07",
  () => "\t",
];

test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
  "whatever is printed (seed %i)",
  async (seed) => {
    const random = seeded(seed);
    const pick = () => PIECES[Math.floor(random() * PIECES.length)]?.(Math.floor(random() * 1_000)) ?? "";
    const stream = Array.from({ length: 150 }, pick).join("");
    const cut = Math.floor(random() * stream.length);
    const [before, after] = [stream.slice(0, cut), stream.slice(cut)];
    expect(await shownAcross(before, after)).toEqual(await shownBy(stream));
  },
);
