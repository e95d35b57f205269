import { type Ref, useEffect, useEffectEvent, useImperativeHandle, useRef, useState } from "react";
import type { TerminalRole } from "../../server/protocol/views.ts";
import { attachPageKeys } from "./clipboard-keys.ts";
import { SearchBar } from "./search-bar.tsx";
import { StateLine } from "./state-line.tsx";
import type { TerminalLabels } from "./terminal-labels.ts";
import { TerminalSession, type TerminalSocket } from "./terminal-session.ts";
import type { TerminalState } from "./terminal-state.ts";
import { createXtermScreen, type XtermScreen } from "./xterm-screen.ts";
import "@xterm/xterm/css/xterm.css";
import "./terminal.css";

/** What a page can do with an open terminal. */
export interface TerminalHandle {
  focus(): void;
  /** Types text as a keyboard would; a line break is Enter. Takes the keyboard if another page has it. */
  type(text: string): void;
  /** Click-to-run: focuses the terminal, types the text and presses Enter. */
  runCommand(text: string): void;
}

export interface TerminalProps {
  socket: TerminalSocket;
  attemptId: string;
  role: TerminalRole;
  /** Name of the shell; a page shows each at most once. */
  name: string;
  labels: TerminalLabels;
  isDark: boolean;
  fontFamily?: string;
  /** In CSS pixels. */
  fontSize?: number;
  screenReaderMode?: boolean;
  /** One who only looks on: no keyboard is offered. */
  isReadOnly?: boolean;
  ref?: Ref<TerminalHandle>;
}

/** While somebody drags a border, programs are not asked to draw everything anew for each pixel. */
const RESIZE_PAUSE_MS = 50;
const FONTS = 'ui-monospace, "Cascadia Mono", "Ubuntu Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/**
 * A shell of the sandbox. The shell lives on without it: whoever mounts it again finds screen and scrollback. Leave it
 * by keyboard with F6, which the page must handle.
 */
export function Terminal(props: TerminalProps) {
  const { socket, attemptId, role, name, labels, isDark, isReadOnly = false } = props;
  const { fontFamily = FONTS, fontSize = 14, screenReaderMode = false } = props;
  const { terminal: label, tooMuchOutput } = labels;
  const options = { isDark, fontFamily, fontSize, screenReaderMode, label, tooMuchOutput };
  const element = useRef<HTMLDivElement>(null);
  const live = useRef<{ screen: XtermScreen; session: TerminalSession } | undefined>(undefined);
  const [state, setState] = useState<TerminalState>({ kind: "connecting" });
  const [isSearching, setSearching] = useState(false);
  const mount = useEffectEvent((host: HTMLElement) => createXtermScreen(host, options));

  useEffect(() => {
    const host = element.current;
    if (!host) return;
    const screen = mount(host);
    const session = new TerminalSession({ socket, attemptId, role, name, screen, onState: setState });
    screen.terminal.onData((data) => session.input(data));
    attachPageKeys(screen.terminal, { openSearch: () => setSearching(true) });
    live.current = { screen, session };
    // A frame later, since React may take the first mount back at once, and the font has its size by then.
    const starting = requestAnimationFrame(() => session.start());
    let fitting: ReturnType<typeof setTimeout> | undefined;
    const observer = new ResizeObserver(() => {
      clearTimeout(fitting);
      fitting = setTimeout(() => session.fit(), RESIZE_PAUSE_MS);
    });
    observer.observe(host);
    return () => {
      cancelAnimationFrame(starting);
      observer.disconnect();
      clearTimeout(fitting);
      session.stop();
      screen[Symbol.dispose]();
      live.current = undefined;
    };
  }, [socket, attemptId, role, name]);

  useEffect(() => {
    live.current?.screen.setOptions({
      isDark,
      fontFamily,
      fontSize,
      screenReaderMode,
      label,
      tooMuchOutput,
    });
    live.current?.session.fit();
  }, [isDark, fontFamily, fontSize, screenReaderMode, label, tooMuchOutput]);

  const focus = () => live.current?.screen.terminal.focus();
  const type = (text: string) => live.current?.session.type(text.replaceAll(/\r?\n/g, "\r"));
  useImperativeHandle(props.ref, () => ({
    focus: () => focus(),
    type,
    runCommand: (text) => {
      focus();
      // As one paste where the shell takes it: lines typed ahead would be eaten by the first command, sudo for one.
      const isBracketed = live.current?.screen.terminal.modes.bracketedPasteMode ?? false;
      type(isBracketed ? `\u001b[200~${text.trimEnd()}\u001b[201~\n` : `${text.trimEnd()}\n`);
    },
  }));

  return (
    <div className="terminal" data-state={state.kind}>
      <div className="terminal-screen" ref={element} />
      {isSearching && live.current ? (
        <SearchBar
          search={live.current.screen.search}
          labels={labels}
          onClose={() => {
            setSearching(false);
            focus();
          }}
        />
      ) : null}
      <StateLine
        state={state}
        labels={labels}
        isReadOnly={isReadOnly}
        onTakeKeyboard={() => {
          live.current?.session.takeKeyboard();
          focus();
        }}
        onOpenAnew={() => {
          live.current?.session.openAnew();
          focus();
        }}
      />
    </div>
  );
}
