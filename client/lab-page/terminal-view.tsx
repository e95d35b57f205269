import { useEffect, useEffectEvent, useMemo, useRef } from "react";
import type { ErrorBody } from "../../server/protocol/http.ts";
import { useConnection } from "../connection/connection.tsx";
import { asSentence, describeFailure } from "../failure.ts";
import type { Messages } from "../messages/en.ts";
import { useMessages } from "../messages/use-messages.ts";
import { useIsDark, usePreferences } from "../preferences.ts";
import { Terminal, type TerminalHandle } from "../terminal/terminal.tsx";
import type { StateWords, TerminalLabels } from "../terminal/terminal-labels.ts";
import { whyNoVm } from "./sandbox-state.ts";
import type { TerminalPaneProps } from "./terminal-pane.tsx";

/** The plain reason, where the page itself knows it. */
function wordsForVm(whyNot: ReturnType<typeof whyNoVm>, { terminal }: Messages): StateWords | undefined {
  if (whyNot === "off") return { text: asSentence(terminal.waitVm), hint: terminal.powerOnHint };
  return whyNot && { text: asSentence(terminal.waitVmStarting) };
}

function wordsFor(opening: string, reason: ErrorBody, messages: Messages): StateWords {
  const { title, detail, hint } = describeFailure(reason, messages);
  // What the server says is English: first the reader's language where that is another.
  if (messages.speaksAsTheServer) return { text: `${opening} ${detail}`, hint };
  return { text: `${opening}${title}`, hint: [hint, detail].join(" ") };
}

/** An open terminal with the page's language, colours and socket. */
export function TerminalView({ attempt, role, name, isReadOnly, onHandle }: TerminalPaneProps) {
  const { messages } = useMessages();
  const { socket } = useConnection();
  const { screenReader } = usePreferences();
  const isDark = useIsDark();
  const handle = useRef<TerminalHandle>(null);
  const give = useEffectEvent((given: TerminalHandle | null) => onHandle(given));
  const whyNot = role === "vm" ? whyNoVm(attempt) : undefined;
  const labels = useMemo<TerminalLabels>(() => {
    const { screen, roleNames, tab } = messages.terminal;
    return {
      ...screen,
      terminal: tab(roleNames[role], Number(name)),
      lost: (reason) => wordsForVm(whyNot, messages) ?? wordsFor(screen.lost, reason, messages),
      refused: (reason) => wordsFor(screen.refused, reason, messages),
    };
  }, [messages, role, name, whyNot]);
  // The terminal can be typed into after its own effects; those of its parent come later.
  useEffect(() => {
    give(handle.current);
    return () => give(null);
  }, []);
  return (
    <Terminal
      ref={handle}
      socket={socket}
      attemptId={attempt.id}
      role={role}
      name={name}
      labels={labels}
      isDark={isDark}
      screenReaderMode={screenReader}
      isReadOnly={isReadOnly}
    />
  );
}
