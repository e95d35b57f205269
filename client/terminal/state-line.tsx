import type { StateWords, TerminalLabels } from "./terminal-labels.ts";
import type { TerminalState } from "./terminal-state.ts";

export interface StateLineProps {
  state: TerminalState;
  labels: TerminalLabels;
  /** No keyboard to be had: one only looks on. */
  isReadOnly: boolean;
  onTakeKeyboard(): void;
  onOpenAnew(): void;
}

/** Says in words why the terminal does not just work, and offers the next step. */
export function StateLine({ state, labels, isReadOnly, onTakeKeyboard, onOpenAnew }: StateLineProps) {
  const { text, hint } = wordsFor(state, labels);
  return (
    <div className="terminal-state" role="status" data-state={state.kind}>
      {text ? <span>{text}</span> : null}
      {hint ? <span className="terminal-hint">{hint}</span> : null}
      {state.kind === "watching" && !isReadOnly ? (
        <button type="button" onClick={onTakeKeyboard}>
          {labels.takeKeyboard}
        </button>
      ) : null}
      {state.kind === "ended" || state.kind === "refused" ? (
        <button type="button" onClick={onOpenAnew}>
          {state.kind === "ended" ? labels.newShell : labels.tryAgain}
        </button>
      ) : null}
    </div>
  );
}

function wordsFor(state: TerminalState, labels: TerminalLabels): StateWords {
  switch (state.kind) {
    case "open":
      return { text: "" };
    case "connecting":
      return { text: labels.connecting };
    case "starting":
      return { text: labels.starting };
    case "watching":
      return { text: labels.watching };
    case "offline":
      return { text: labels.offline };
    case "lost":
      return labels.lost(state.reason);
    case "ended":
      return { text: labels.ended(state.status) };
    case "refused":
      return labels.refused(state.reason);
  }
}
