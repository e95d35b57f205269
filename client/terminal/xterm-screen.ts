import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import { boundEmulator } from "../../server/protocol/bounded-emulator.ts";
import { SCROLLBACK_LINES } from "../../server/protocol/socket.ts";
import { FloodPace } from "./flood-pace.ts";
import type { TerminalScreen } from "./terminal-session.ts";
import { themeOf } from "./theme.ts";

/** Looks of a terminal, which may change while it is open. */
export interface ScreenOptions {
  isDark: boolean;
  fontFamily: string;
  fontSize: number;
  /** Makes the text readable for screen readers, at some cost of speed. */
  screenReaderMode: boolean;
  /** Accessible name of the input. */
  label: string;
  /** Spoken instead of a flood of lines. */
  tooMuchOutput: string;
}

export interface XtermScreen extends TerminalScreen, Disposable {
  readonly terminal: Terminal;
  readonly search: SearchAddon;
  setOptions(options: ScreenOptions): void;
}

/** Text must stand out this much from its ground (WCAG 2.2, 1.4.3). */
const CONTRAST = 4.5;
const SMALLEST = { cols: 20, rows: 4 };

/** Draws a terminal into an element that is on the page. */
export function createXtermScreen(element: HTMLElement, options: ScreenOptions): XtermScreen {
  Terminal.strings.tooMuchOutput = options.tooMuchOutput;
  const terminal = new Terminal({
    ...lookOf(options),
    // Search marks its matches by decorations, which xterm.js counts as proposed, like rules for widths.
    allowProposedApi: true,
    cursorBlink: false,
    linkHandler: { activate: (_event, uri) => openLink(uri) },
    macOptionIsMeta: true,
    minimumContrastRatio: CONTRAST,
    scrollback: SCROLLBACK_LINES,
  });
  boundEmulator(terminal);
  const fit = new FitAddon();
  const search = new SearchAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  terminal.loadAddon(new WebLinksAddon((_event, uri) => openLink(uri)));
  terminal.open(element);
  const pace = new FloodPace(terminal);
  if (hasGraphicsCard()) drawByWebgl(terminal, () => pace.start());
  else pace.start();
  terminal.textarea?.setAttribute("aria-label", options.label);
  return {
    terminal,
    search,
    write: (data, drawn) =>
      terminal.write(data, () => {
        pace.parsed(data.length);
        drawn();
      }),
    // After what was written before, which was meant for the old size and the old screen.
    resize: (cols, rows) => {
      if (cols !== terminal.cols || rows !== terminal.rows)
        terminal.write("", () => terminal.resize(cols, rows));
    },
    reset: () => terminal.write("", () => terminal.reset()),
    fittingSize: () => {
      const { cols, rows } = fit.proposeDimensions() ?? terminal;
      // A hidden element has no size; the terminal keeps the one it had.
      if (!Number.isFinite(cols) || !Number.isFinite(rows))
        return { cols: terminal.cols, rows: terminal.rows };
      return { cols: Math.max(SMALLEST.cols, cols), rows: Math.max(SMALLEST.rows, rows) };
    },
    setWriter: (isWriter) => {
      terminal.options.disableStdin = !isWriter;
    },
    setOptions: (next) => {
      Object.assign(terminal.options, lookOf(next));
      terminal.textarea?.setAttribute("aria-label", next.label);
    },
    [Symbol.dispose]: () => {
      pace[Symbol.dispose]();
      terminal.dispose();
    },
  };
}

function lookOf({ isDark, fontFamily, fontSize, screenReaderMode }: ScreenOptions) {
  return { theme: themeOf(isDark), fontFamily, fontSize, screenReaderMode };
}

/** WebGL that the processor has to draw (SwiftShader, Mesa's llvmpipe, Windows' basic renderer). */
const SOFTWARE_RENDERER = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether WebGL is done by one: done by the processor it costs five times what the DOM does. */
function hasGraphicsCard(): boolean {
  const probe = document.createElement("canvas").getContext("webgl2");
  if (!probe) return false;
  const names = probe.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(probe.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? probe.RENDERER));
  probe.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE_RENDERER.test(renderer);
}

/** A browser has few contexts and takes the oldest away without a word; then the DOM draws, which is told. */
function drawByWebgl(terminal: Terminal, drawnByDom: () => void): void {
  const webgl = new WebglAddon();
  webgl.onContextLoss(() => {
    webgl.dispose();
    drawnByDom();
  });
  terminal.loadAddon(webgl);
}

/** What a program prints is not to be trusted with more than a web address in a page of its own. */
function openLink(uri: string): void {
  if (/^https?:\/\//i.test(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}
