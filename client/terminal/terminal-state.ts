import type { ErrorBody } from "../../server/protocol/http.ts";

/** What a terminal tells its reader, one thing at a time. */
export type TerminalState =
  | { kind: "connecting" }
  | { kind: "open" }
  /** The shell has not printed anything yet, and takes its time. What is typed waits for it. */
  | { kind: "starting" }
  /** Another page has the keyboard. `mayTake` is false for one who only looks on. */
  | { kind: "watching" }
  | { kind: "offline" }
  | { kind: "lost"; reason: ErrorBody }
  | { kind: "ended"; status: number }
  | { kind: "refused"; reason: ErrorBody };
