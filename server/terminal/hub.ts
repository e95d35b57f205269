import type { LabError } from "../../sandboxes/errors.ts";
import type { TerminalOpen, TerminalOpened } from "../protocol/socket.ts";

/** A page looking at a terminal. A socket is one; it only visits. */
export interface TerminalViewer {
  id: string;
  /** False for one who only looks on, such as an instructor: it never gets the keyboard nor decides the size. */
  mayWrite: boolean;
  output(terminalId: string, offset: number, data: Uint8Array): void;
  snapshot(terminalId: string, offset: number, snapshot: string, instance: string): void;
  size(terminalId: string, cols: number, rows: number, isWriter: boolean): void;
  exit(terminalId: string, status: number): void;
  lost(terminalId: string, reason: LabError): void;
}

/**
 * All terminals of the lab server. Each attaches once to its holder, keeps screen and scrollback, and serves any number
 * of viewers of whom one writes. Who may open what is decided before it is asked here.
 */
export interface TerminalHub extends AsyncDisposable {
  open(sandboxId: string, request: TerminalOpen, viewer: TerminalViewer): Promise<TerminalOpened>;
  /** Resolves when the program has taken it; at once when this viewer has not the keyboard or the shell is out of reach. */
  input(terminalId: string, viewerId: string, data: string): Promise<void>;
  resize(terminalId: string, viewerId: string, cols: number, rows: number): void;
  ack(terminalId: string, viewerId: string, offset: number): void;
  /** Takes the keyboard. */
  write(terminalId: string, viewerId: string): void;
  close(terminalId: string, viewerId: string): void;
  /** The viewer's socket is gone: it leaves every terminal. */
  leave(viewerId: string): void;
  /** The VM was powered off, on or reset: find out now what became of its terminals, not when connections time out. */
  reattach(sandboxId: string): void;
  /** The sandbox is gone: its terminals end. */
  forget(sandboxId: string): void;
}
