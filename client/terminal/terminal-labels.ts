import type { ErrorBody } from "../../server/protocol/http.ts";

/** What has happened, and the next step. */
export interface StateWords {
  text: string;
  hint?: string | undefined;
}

/** Every text a terminal shows, from the page's message catalogue. */
export interface TerminalLabels {
  /** Accessible name of the terminal's input, e.g. "Shell on the VM". */
  terminal: string;
  connecting: string;
  /** The shell is there and has printed nothing yet; what is typed waits for it. */
  starting: string;
  /** The page has no connection to the lab server. */
  offline: string;
  /** The lab server can't reach the shell's place. */
  lost: (reason: ErrorBody) => StateWords;
  /** What the shell ended with: 0 is fine, below 0 a signal. */
  ended: (status: number) => string;
  newShell: string;
  /** Another page has the keyboard. */
  watching: string;
  takeKeyboard: string;
  /** The server refused to open the terminal. */
  refused: (reason: ErrorBody) => StateWords;
  tryAgain: string;
  search: string;
  searchNext: string;
  searchPrevious: string;
  searchClose: string;
  searchNothing: string;
  /** Spoken by a screen reader instead of a flood of lines. */
  tooMuchOutput: string;
}
