/**
 * Keeps what a program prints from costing more than it can show. It is here because the page and the server must
 * draw alike to the cell, or a page that comes later would see another screen; it imports nothing.
 */

/** What is used of xterm.js' Terminal, whose page and headless kinds are types apart. */
interface Emulator {
  readonly cols: number;
  readonly rows: number;
  readonly unicode: { activeVersion: string; register(provider: UnicodeProvider): void };
  readonly parser: { registerOscHandler(command: number, handler: (data: string) => boolean): unknown };
}

/** As xterm.js has it: the properties are `state << 3 | width << 1 | joins the cell before`. */
interface UnicodeProvider {
  readonly version: string;
  wcwidth(codepoint: number): 0 | 1 | 2;
  charProperties(codepoint: number, preceding: number): number;
}

/**
 * What xterm.js 6 has and its public interface does not tell: parameters that can be changed before the built-in
 * handler gets them, and the rules for widths. The tests fail with a version that moved one of these.
 */
interface Internals {
  registerCsiHandler(
    id: { final: string },
    handler: (given: { length: number; params: Int32Array }) => boolean,
  ): void;
  unicodeService: { _activeProvider: UnicodeProvider };
}

/**
 * UTF-16 units of combining marks on one character: more than scripts need. With it a cell's text has at most 12, the
 * longest that V8 keeps in one piece; with 16 marks on each cell a full scrollback takes six times as much.
 */
const MOST_MARK_UNITS = 10;
/** Links (OSC 8) on one terminal: each takes memory until its line is gone, and one line may have them without end. */
const MOST_LINKS = 10_000;
const JOINS = 1;
const STATE_SHIFT = 3;
const ONE_WIDE = 1 << 1;

/** Limits what one sequence or one cell can take. Call it once, before anything is written. */
export function boundEmulator(terminal: Emulator): void {
  const core = (terminal as unknown as { _core: Internals })._core;
  boundRepetitions(terminal, core);
  boundMarks(terminal, core.unicodeService._activeProvider);
  boundLinks(terminal);
}

/** Sequences that xterm.js does as often as they say, up to 2^31 - 1. More than a screen holds changes nothing. */
function boundRepetitions(terminal: Emulator, core: Internals): void {
  const bound = (finals: string, most: () => number) => {
    for (const final of finals)
      core.registerCsiHandler({ final }, ({ length, params }) => {
        if (length > 0) params[0] = Math.min(params[0] ?? 0, most());
        // The built-in handler comes next.
        return false;
      });
  };
  // Lines: insert, delete, scroll up and down.
  bound("LMST", () => terminal.rows);
  // Tab stops: forward and backward.
  bound("IZ", () => terminal.cols);
  // The preceding character once more; who uses it (ncurses' `rep`) stays within a line.
  bound("b", () => terminal.cols);
}

/** A mark too many gets a cell of its own, where the next ones join it: the marks of one cell would grow for ever. */
function boundMarks({ unicode }: Emulator, base: UnicodeProvider): void {
  unicode.register({
    version: "bounded",
    wcwidth: (codepoint) => base.wcwidth(codepoint),
    charProperties: (codepoint, preceding) => {
      const properties = base.charProperties(codepoint, preceding);
      if ((properties & JOINS) === 0) return properties;
      const units = (preceding >> STATE_SHIFT) + (codepoint > 0xffff ? 2 : 1);
      return units > MOST_MARK_UNITS ? ONE_WIDE : properties | (units << STATE_SHIFT);
    },
  });
  unicode.activeVersion = "bounded";
}

/** Later links are plain text. */
function boundLinks({ parser }: Emulator): void {
  let links = 0;
  parser.registerOscHandler(8, (data) => {
    // Without an address it ends the one before.
    if (/^[^;]*;$/.test(data)) return false;
    links += 1;
    return links > MOST_LINKS;
  });
}
