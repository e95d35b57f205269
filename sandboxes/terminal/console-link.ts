import type { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { LabError, toLabError } from "../errors.ts";
import type { ScreenSnapshot, TerminalLink, TerminalLinkEvents } from "./terminal-link.ts";

/** As much as a holder would send ahead. */
const WINDOW_BYTES = 384 * 1024;
const INPUT_LIMIT_BYTES = 256 * 1024;
/** The log of what the console printed before comes at once; a pause says that it is over. */
const REPLAY_PAUSE_MS = 60;
const REPLAY_LIMIT_MS = 3_000;

/**
 * The VM's serial console as a terminal: no holder, since the console itself outlives us and tells on opening what it
 * printed so far. Every connection counts anew. A serial line has no size.
 */
export async function openConsoleLink(stream: Duplex): Promise<TerminalLink> {
  const link = new ConsoleLink(stream);
  await link.replayed();
  return link;
}

class ConsoleLink implements TerminalLink {
  readonly instance = randomUUID();
  readonly from = 0;
  readonly snapshot: ScreenSnapshot | undefined = undefined;
  readonly #stream: Duplex;
  #early: Buffer[] = [];
  #received = 0;
  #acked = 0;
  #events: TerminalLinkEvents | undefined;
  #failure: LabError | undefined;
  #isOver = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("error", (error) => this.#fail(toLabError(error)));
    stream.on("close", () =>
      this.#fail(
        new LabError("terminal_failed", "the serial console was cut off", { hint: "is the VM powered on?" }),
      ),
    );
  }

  /** What came in one go is the log: viewers get it as a screen, so that they don't answer old questions in it. */
  get end(): number {
    return this.#received;
  }

  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  async replayed(): Promise<void> {
    const deadline = performance.now() + REPLAY_LIMIT_MS;
    for (let seen = -1; seen !== this.#received && performance.now() < deadline; ) {
      seen = this.#received;
      await delay(REPLAY_PAUSE_MS);
    }
    if (this.#failure) throw this.#failure;
  }

  begin(events: TerminalLinkEvents): void {
    this.#events = events;
    let offset = 0;
    for (const data of this.#early.splice(0)) {
      events.output(offset, data);
      offset += data.length;
    }
    if (this.#failure) events.lost(this.#failure);
  }

  input(data: Buffer): Promise<void> {
    if (this.#isOver || this.#stream.writableLength + data.length > INPUT_LIMIT_BYTES)
      return Promise.resolve();
    return new Promise((resolve) => this.#stream.write(data, () => resolve()));
  }

  /** A serial line has no size: only the pages change theirs. */
  resize(cols: number, rows: number): void {
    this.#events?.resized(cols, rows);
  }

  ack(offset: number): void {
    this.#acked = offset;
    if (this.#received - offset < WINDOW_BYTES) this.#stream.resume();
  }

  keep(): boolean {
    return false;
  }

  close(): void {
    this.#isOver = true;
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    const offset = this.#received;
    this.#received += chunk.length;
    if (!this.#events) this.#early.push(chunk);
    else {
      if (this.#received - this.#acked >= WINDOW_BYTES) this.#stream.pause();
      this.#events.output(offset, chunk);
    }
  }

  #fail(error: LabError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = error;
    this.#stream.destroy();
    this.#events?.lost(error);
  }
}
