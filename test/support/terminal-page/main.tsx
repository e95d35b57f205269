import { StrictMode, useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import { openSocket } from "../../../client/connection/socket.ts";
import { Terminal, type TerminalHandle } from "../../../client/terminal/terminal.tsx";
import type { TerminalLabels } from "../../../client/terminal/terminal-labels.ts";
import type { TerminalSocket } from "../../../client/terminal/terminal-session.ts";
import { TerminalRole } from "../../../server/protocol/views.ts";
import "./page.css";

const labels: TerminalLabels = {
  terminal: "Shell on the VM",
  connecting: "Connecting…",
  starting: "The shell is starting.",
  offline: "No connection to the lab server; trying again.",
  lost: ({ message, hint }) => ({ text: `The shell is out of reach: ${message}`, hint }),
  ended: (status) => `The shell has ended (${status}).`,
  newShell: "Start a new shell",
  watching: "Another page has the keyboard.",
  takeKeyboard: "Take the keyboard",
  refused: ({ message, hint }) => ({ text: `The terminal could not be opened: ${message}`, hint }),
  tryAgain: "Try again",
  search: "Find",
  searchNext: "Next match",
  searchPrevious: "Previous match",
  searchClose: "Close search",
  searchNothing: "Nothing found",
  tooMuchOutput: "Too much output to read out",
};

const query = new URLSearchParams(location.search);
const socket: TerminalSocket = openSocket().connect();
window.socket = socket;

function Page() {
  const handle = useRef<TerminalHandle>(null);
  useEffect(() => {
    window.handle = handle.current;
  });
  return (
    <Terminal
      ref={handle}
      socket={socket}
      attemptId={query.get("sandbox") ?? "s"}
      role={TerminalRole.parse(query.get("role") ?? "vm")}
      name={query.get("name") ?? "1"}
      labels={labels}
      isDark={query.get("theme") === "dark"}
      screenReaderMode={query.has("reader")}
    />
  );
}

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <Page />
    </StrictMode>,
  );
