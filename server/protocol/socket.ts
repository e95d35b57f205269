import { z } from "zod";
import type { ErrorBody } from "./http.ts";
import { type AttemptView, Language, type RoomView, TerminalRole } from "./views.ts";

/** Columns and rows a terminal can have. */
const Size = { cols: z.int().min(2).max(500), rows: z.int().min(1).max(300) };

/** Largest input of one event; the page cuts a longer paste. */
export const INPUT_CHUNK_CHARACTERS = 16_384;

/** The page acknowledges output after this many bytes that xterm.js has parsed. */
export const ACK_EVERY_BYTES = 32 * 1024;

/** Lines above the screen that page and server keep. */
export const SCROLLBACK_LINES = 5_000;

/** The server stops sending to the page with the keyboard when it has this many bytes unacknowledged. */
export const WRITER_WINDOW_BYTES = 256 * 1024;

/** The same for any other page. */
export const WATCHER_WINDOW_BYTES = 128 * 1024;

export const TerminalOpen = z.object({
  attemptId: z.string(),
  role: TerminalRole,
  /** Several terminals of one role have different names; `1` is the first. */
  name: z.string().regex(/^[a-z0-9-]{1,32}$/),
  ...Size,
  /** Offset up to which this page has already shown the output, to get only what is missing. */
  from: z.int().nonnegative().optional(),
  /** The shell whose output `from` counts, as `TerminalOpened` named it. */
  instance: z.string().max(64).optional(),
  /** Start a new shell when the earlier one has ended; without it the page is told again that it ended. */
  restart: z.boolean().optional(),
});
export type TerminalOpen = z.infer<typeof TerminalOpen>;
export const TerminalInput = z.object({
  terminalId: z.string(),
  data: z.string().max(INPUT_CHUNK_CHARACTERS),
});
export const TerminalResize = z.object({ terminalId: z.string(), ...Size });
export const TerminalAck = z.object({ terminalId: z.string(), offset: z.int().nonnegative() });
export const TerminalClose = z.object({ terminalId: z.string() });
export const AttemptWatch = z.object({ attemptId: z.string(), language: Language });
export const RoomWatch = z.object({ language: Language });

export type Ack<T> = (answer: { ok: true; value: T } | { ok: false; error: ErrorBody }) => void;

export interface TerminalOpened {
  terminalId: string;
  /** `snapshot`: clear, then write it, then output goes on at `offset`; `resume`: output goes on at `offset`. */
  mode: "snapshot" | "resume";
  snapshot: string;
  offset: number;
  /** Which shell this is; a new one counts its output from 0 again. */
  instance: string;
  cols: number;
  rows: number;
  /** False while another page of the same terminal holds the keyboard and decides the size. */
  isWriter: boolean;
}

export interface ClientToServer {
  "terminal:open": (body: TerminalOpen, ack: Ack<TerminalOpened>) => void;
  /** Acknowledged when the program has taken it, so that a long paste goes no faster than it is read. */
  "terminal:input": (body: z.infer<typeof TerminalInput>, ack?: () => void) => void;
  "terminal:resize": (body: z.infer<typeof TerminalResize>) => void;
  "terminal:ack": (body: z.infer<typeof TerminalAck>) => void;
  /** Takes the keyboard for this page. */
  "terminal:write": (body: z.infer<typeof TerminalClose>, ack: Ack<null>) => void;
  "terminal:close": (body: z.infer<typeof TerminalClose>) => void;
  /** From now on `attempt:changed` comes whenever something changes; the answer is the state now. */
  "attempt:watch": (body: z.infer<typeof AttemptWatch>, ack: Ack<AttemptView>) => void;
  /** For instructors: from now on `room:changed` comes. */
  "room:watch": (body: z.infer<typeof RoomWatch>, ack: Ack<RoomView>) => void;
}

export interface ServerToClient {
  /** The server has taken up what an earlier one left: what it refused before may be asked for again. */
  "server:ready": () => void;
  "terminal:output": (terminalId: string, offset: number, data: Uint8Array) => void;
  /** The viewer fell too far behind, or the shell was attached anew: start over from this screen. */
  "terminal:snapshot": (terminalId: string, offset: number, snapshot: string, instance: string) => void;
  /** In order with the output: from here on it is meant for this size. */
  "terminal:size": (terminalId: string, cols: number, rows: number, isWriter: boolean) => void;
  "terminal:exit": (terminalId: string, status: number) => void;
  /** The place of the shell is out of reach for now (VM off, network gone); output goes on by itself. */
  "terminal:lost": (terminalId: string, reason: ErrorBody) => void;
  "attempt:changed": (attempt: AttemptView) => void;
  "room:changed": (room: RoomView) => void;
}
