import type { IBuffer, IBufferCell, Terminal } from "@xterm/headless";

/** Colours and style: a cell has them, and so has the pen. */
type Look = Pick<
  IBufferCell,
  | "isAttributeDefault"
  | "isFgRGB"
  | "isFgPalette"
  | "getFgColor"
  | "isBgRGB"
  | "isBgPalette"
  | "getBgColor"
  | "isBold"
  | "isDim"
  | "isItalic"
  | "isUnderline"
  | "isBlink"
  | "isInverse"
  | "isInvisible"
  | "isStrikethrough"
  | "isOverline"
>;

/**
 * What @xterm/headless 6 knows and neither its public interface nor the serialize addon tells. The tests compare
 * restored screens with their originals, so that a version that moved one of these fails there.
 */
interface Internals {
  _bufferService: { buffers: { normal: Buffer; active: Buffer } };
  coreService: {
    isCursorHidden: boolean;
    decPrivateModes: { origin: boolean; cursorStyle?: string; cursorBlink?: boolean };
  };
  coreMouseService: { activeEncoding: string };
  _charsetService: { glevel: number; _charsets: (Record<string, string> | undefined)[] };
  _inputHandler: { _curAttrData: Look };
}

interface Buffer {
  x: number;
  y: number;
  ybase: number;
  scrollTop: number;
  scrollBottom: number;
  savedX: number;
  savedY: number;
  savedCurAttrData: Look;
}

const MOUSE_ENCODINGS: Record<string, string> = { SGR: "\x1b[?1006h", SGR_PIXELS: "\x1b[?1016h" };
const CURSOR_STYLES: Record<string, number> = { block: 1, underline: 3, bar: 5 };

/** Sequences that give a restored screen what the serialize addon leaves out. They come after its text. */
export function hiddenState(terminal: Terminal): string {
  const core = internalsOf(terminal);
  const { active } = core._bufferService.buffers;
  const { cursorStyle, cursorBlink, origin } = core.coreService.decPrivateModes;
  let text =
    blankRows(terminal, terminal.buffer.active) + savedCursor(active) + scrollRegion(terminal, active);
  // Setting any of these moves the cursor, and so does origin mode, which the addon's text ends with.
  if (text !== "" || origin) text += cursor(terminal, core);
  text += charsets(core) + (MOUSE_ENCODINGS[core.coreMouseService.activeEncoding] ?? "");
  const style = cursorStyle && CURSOR_STYLES[cursorStyle];
  if (style) text += `\x1b[${cursorBlink === false ? style + 1 : style} q`;
  if (core.coreService.isCursorHidden) text += "\x1b[?25l";
  return text;
}

/**
 * Goes from the restored ordinary screen to the other one, which begins empty and with a fresh pen, in such a way that
 * the program that leaves it finds cursor and pen where it had left them.
 */
export function enterAlternate(terminal: Terminal): string {
  const { normal } = internalsOf(terminal)._bufferService.buffers;
  return `${blankRows(terminal, terminal.buffer.normal)}${savedCursor(normal)}\x1b[0m\x1b[?1047h\x1b[H`;
}

function internalsOf(terminal: Terminal): Internals {
  return (terminal as unknown as { _core: Internals })._core;
}

/** Rows below the last text, where they have a colour: the addon ends with the last text. */
function blankRows({ rows }: Terminal, buffer: IBuffer): string {
  let text = "";
  for (let row = rows - 1; row >= 0; row -= 1) {
    const line = buffer.getLine(buffer.baseY + row);
    const first = line?.getCell(0);
    if (!line || !first || line.translateToString(true) !== "") break;
    const ground = background(first);
    if (ground.length > 0) text += `\x1b[${row + 1}H\x1b[0;${ground.join(";")}m\x1b[2K`;
  }
  return text === "" ? "" : `\x1b[?6l${text}`;
}

/** Where a program has asked to come back to. */
function savedCursor({ savedX, savedY, ybase, savedCurAttrData }: Buffer): string {
  const row = Math.max(0, savedY - ybase);
  const pen = looks(savedCurAttrData).join(";");
  if (savedX === 0 && row === 0 && pen === "0") return "";
  return `\x1b[?6l\x1b[${row + 1};${savedX + 1}H\x1b[${pen}m\x1b7`;
}

function scrollRegion({ rows }: Terminal, { scrollTop, scrollBottom }: Buffer): string {
  return scrollTop === 0 && scrollBottom === rows - 1 ? "" : `\x1b[${scrollTop + 1};${scrollBottom + 1}r`;
}

/** Puts cursor and pen back, also one that waits behind the last column for the next character to wrap. */
function cursor(terminal: Terminal, { _bufferService, coreService, _inputHandler }: Internals): string {
  const buffer = _bufferService.buffers.active;
  const { origin } = coreService.decPrivateModes;
  const row = (origin ? buffer.y - buffer.scrollTop : buffer.y) + 1;
  const start = origin ? "\x1b[?6h" : "";
  const pen = `\x1b[${looks(_inputHandler._curAttrData).join(";")}m`;
  if (buffer.x < terminal.cols) return `${start}\x1b[${row};${buffer.x + 1}H${pen}`;
  const line = terminal.buffer.active.getLine(buffer.ybase + buffer.y);
  let column = terminal.cols - 1;
  if (line?.getCell(column)?.getWidth() === 0) column -= 1;
  const last = line?.getCell(column);
  const again = last ? `\x1b[${looks(last).join(";")}m${last.getChars()}` : "";
  return `${start}\x1b[${row};${column + 1}H${again}${pen}`;
}

/** Parameters of the sequence that sets exactly this look. */
function looks(look: Look): number[] {
  const styles: [number, number][] = [
    [look.isBold(), 1],
    [look.isDim(), 2],
    [look.isItalic(), 3],
    [look.isUnderline(), 4],
    [look.isBlink(), 5],
    [look.isInverse(), 7],
    [look.isInvisible(), 8],
    [look.isStrikethrough(), 9],
    [look.isOverline(), 53],
  ];
  const set = styles.filter(([isSet]) => isSet).map(([, code]) => code);
  return [
    0,
    ...set,
    ...colour(look.isFgRGB(), look.isFgPalette(), look.getFgColor(), 38),
    ...background(look),
  ];
}

function background(look: Look): number[] {
  return colour(look.isBgRGB(), look.isBgPalette(), look.getBgColor(), 48);
}

function colour(isRgb: boolean, isPalette: boolean, value: number, code: 38 | 48): number[] {
  if (isRgb) return [code, 2, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  if (!isPalette) return [];
  if (value >= 16) return [code, 5, value];
  return [code - 8 + (value % 8) + (value >= 8 ? 60 : 0)];
}

/** Line drawing characters (DEC special graphics) are the only other set programs still use. */
function charsets({ _charsetService: { glevel, _charsets } }: Internals): string {
  const isDrawing = (set: Record<string, string> | undefined) => set?.q === "─";
  let text = "";
  if (isDrawing(_charsets[0])) text += "\x1b(0";
  if (isDrawing(_charsets[1])) text += "\x1b)0";
  return glevel === 1 ? `${text}\x0e` : text;
}
