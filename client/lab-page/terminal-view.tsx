import { useEffect, useEffectEvent, useMemo, useRef } from "react";
import { useConnection } from "../connection/connection.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { useIsDark, usePreferences } from "../preferences.ts";
import { Terminal, type TerminalHandle } from "../terminal/terminal.tsx";
import type { TerminalLabels } from "../terminal/terminal-labels.ts";
import type { TerminalPaneProps } from "./terminal-pane.tsx";

/** An open terminal with the page's language, colours and socket. */
export function TerminalView({ attempt, role, name, isReadOnly, onHandle }: TerminalPaneProps) {
  const { messages } = useMessages();
  const { socket } = useConnection();
  const { screenReader } = usePreferences();
  const isDark = useIsDark();
  const handle = useRef<TerminalHandle>(null);
  const give = useEffectEvent((given: TerminalHandle | null) => onHandle(given));
  const labels = useMemo<TerminalLabels>(() => {
    const { screen, roleNames } = messages.terminal;
    return { ...screen, terminal: messages.terminal.tab(roleNames[role], Number(name)) };
  }, [messages, role, name]);
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
