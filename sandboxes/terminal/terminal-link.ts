import type { Buffer } from "node:buffer";
import type { LabError } from "../errors.ts";

/** A terminal's whole screen with scrollback as text that draws it, at an exact offset of the output. */
export interface ScreenSnapshot {
  offset: number;
  cols: number;
  rows: number;
  text: string;
}

/** What comes from a shell. Calls come in the order of the output; after `exited` or `lost` there are none. */
export interface TerminalLinkEvents {
  output(offset: number, data: Buffer): void;
  /** From here on the output is meant for this size. */
  resized(cols: number, rows: number): void;
  exited(status: number): void;
  /** The connection ended although nobody here closed it. */
  lost(reason: LabError): void;
}

/** What the server knows already of a shell, to get only the rest. */
export interface KnownOutput {
  instance: string;
  end: number;
}

/** One connection to a shell that lives elsewhere. Closing it leaves the shell running. */
export interface TerminalLink {
  /** Which shell; another one of the same name numbers its output anew. */
  readonly instance: string;
  /** Output goes on here. Equal to `KnownOutput.end` when nothing is missing. */
  readonly from: number;
  /** Up to here there was output when the connection was made. */
  readonly end: number;
  /** The screen to start from, where the output before `from` is not known here. */
  readonly snapshot: ScreenSnapshot | undefined;
  /** Events begin with this call. */
  begin(events: TerminalLinkEvents): void;
  /** Resolves when only little input is left to be taken. Input of a sender that does not wait for this is dropped. */
  input(data: Buffer): Promise<void>;
  resize(cols: number, rows: number): void;
  /** Output up to here has been handled; without it the shell is held up sooner or later. */
  ack(offset: number): void;
  /** Leaves a screen with the shell for the next server. False, without taking it, while the last is on its way. */
  keep(take: () => ScreenSnapshot): boolean;
  /** Bytes of input and snapshots that wait in this process. */
  readonly bufferedBytes: number;
  close(): void;
}
