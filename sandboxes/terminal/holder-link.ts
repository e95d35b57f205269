import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { LabError, toLabError } from "../errors.ts";
import type { Place } from "../place.ts";
import { decodeOffset, encodeFrame, encodeOffset, encodeSize, type Frame, FrameReader } from "./frames.ts";
import type { InputOutbox } from "./input-outbox.ts";
import type { KnownOutput, ScreenSnapshot, TerminalLink, TerminalLinkEvents } from "./terminal-link.ts";

/** The `PROTOCOL` of holder.py. */
const PROTOCOL = 1;
/** Emulation needs seconds for a Python to start when the VM is busy booting. */
const GREETING_MS = 30_000;
/** The holder stays below this; one that does not is not ours, since the place is the learner's. */
const UNACKNOWLEDGED_LIMIT_BYTES = 512 * 1024;
const SNAPSHOT_LIMIT_BYTES = 8 * 1024 * 1024;
/** Small enough that Ctrl-C behind a piece of a snapshot still goes at once. */
const SNAPSHOT_PART_BYTES = 16 * 1024;

const Hello = z.object({
  protocol: z.int(),
  pid: z.int(),
  instance: z.string().regex(/^[0-9a-f]{1,64}$/),
  from: z.int().nonnegative(),
  end: z.int().nonnegative(),
  input: z.int().nonnegative(),
  hasSnapshot: z.boolean(),
});

export interface HolderLinkOptions {
  /** The holder's name, unique in the place: letters, digits and `-`. */
  name: string;
  /** For a shell that is started now; a running one keeps its size until `resize`. */
  cols: number;
  rows: number;
  known: KnownOutput | undefined;
  /** Kept by the caller over connections: input that the last one lost is sent again. */
  outbox: InputOutbox;
  signal: AbortSignal;
}

/**
 * Attaches to the shell `name` in a place, starting it where there is none.
 * @throws LabError `terminal_failed`, `timed_out`, `aborted`, or what the place throws.
 */
export async function openHolderLink(place: Place, options: HolderLinkOptions): Promise<TerminalLink> {
  const { name, cols, rows, known, signal } = options;
  const source = await readFile(new URL("./holder.py", import.meta.url));
  const feed = `exec(open(0,"rb",closefd=False).read(${source.length}))`;
  const from = known ? [known.instance, `${known.end}`] : ["-", "0"];
  const argv = ["python3", "-I", "-S", "-c", feed, "attach", name, `${cols}`, `${rows}`, ...from];
  signal.throwIfAborted();
  const stream = await inTime(place.stream(argv, { user: "admin", title: `the shell \`${name}\`` }), name);
  const link = new HolderLink(stream, options.outbox);
  const timer = setTimeout(
    () => link.fail(new LabError("timed_out", `the terminal \`${name}\` did not answer`)),
    GREETING_MS,
  );
  const abort = () => link.fail(new LabError("aborted", `attaching to \`${name}\` was interrupted`));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    stream.write(source);
    await link.greeted;
    link.catchUpInput(known);
    return link;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** What a page may have, too; a size is memory here. */
const Size = z.object({ cols: z.int().min(2).max(500), rows: z.int().min(1).max(300) });

function decodeSize(payload: Buffer, at: number): { cols: number; rows: number } {
  return Size.parse({ cols: payload.readUInt16BE(at), rows: payload.readUInt16BE(at + 2) });
}

/** A place that hangs (its VM is stuck) is given up; should it answer later, nothing is left open. */
async function inTime(opening: Promise<Duplex>, name: string): Promise<Duplex> {
  let isLate = false;
  void opening.then(
    (stream) => isLate && stream.destroy(),
    () => {},
  );
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    isLate = true;
    reject(new LabError("timed_out", `the place of the terminal \`${name}\` did not answer`));
  }, GREETING_MS);
  return await Promise.race([opening, late]).finally(() => clearTimeout(timer));
}

class HolderLink implements TerminalLink {
  instance = "";
  from = 0;
  end = 0;
  snapshot: ScreenSnapshot | undefined;
  readonly greeted: Promise<void>;
  readonly #stream: Duplex;
  readonly #outbox: InputOutbox;
  readonly #reader = new FrameReader();
  #greet: () => void = () => {};
  #refuse: (error: LabError) => void = () => {};
  #received = 0;
  #awaitsSnapshot = false;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #outputEnd = 0;
  #acked = 0;
  #early: Frame[] = [];
  #events: TerminalLinkEvents | undefined;
  #failure: LabError | undefined;
  #isOver = false;
  #keepingBytes = 0;

  constructor(stream: Duplex, outbox: InputOutbox) {
    this.#stream = stream;
    this.#outbox = outbox;
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve;
      this.#refuse = reject;
    });
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("error", (error) => this.fail(toLabError(error)));
    stream.on("close", () => this.fail(new LabError("terminal_failed", "the connection to the shell ended")));
  }

  get bufferedBytes(): number {
    return this.#outbox.bytes + this.#stream.writableLength + this.#keepingBytes;
  }

  begin(events: TerminalLinkEvents): void {
    this.#events = events;
    for (const frame of this.#early.splice(0)) this.#pass(frame, events);
    if (this.#failure) events.lost(this.#failure);
    else this.#stream.resume();
  }

  input(data: Buffer): Promise<void> {
    if (!this.#outbox.fits(data.length)) return Promise.resolve();
    const taken = this.#outbox.add(data);
    this.#send(encodeFrame("I", data));
    return taken;
  }

  resize(cols: number, rows: number): void {
    this.#send(encodeFrame("R", encodeSize(cols, rows)));
  }

  ack(offset: number): void {
    this.#acked = offset;
    this.#send(encodeFrame("A", encodeOffset(offset)));
  }

  keep(take: () => ScreenSnapshot): boolean {
    if (this.#keepingBytes > 0 || this.#isOver) return false;
    const snapshot = take();
    const text = Buffer.from(snapshot.text);
    this.#keepingBytes = text.length;
    const next = (at: number) => {
      this.#keepingBytes = text.length - at;
      if (this.#isOver) return;
      if (at < text.length) {
        const end = Math.min(text.length, at + SNAPSHOT_PART_BYTES);
        this.#stream.write(encodeFrame("P", text.subarray(at, end)), () => next(end));
      } else {
        const size = encodeSize(snapshot.cols, snapshot.rows);
        this.#send(encodeFrame("S", encodeOffset(snapshot.offset), size));
      }
    };
    next(0);
    return true;
  }

  close(): void {
    this.#isOver = true;
    this.#stream.destroy();
  }

  /** After the hello: sends what the last connection lost, or forgets it with the shell it was for. */
  catchUpInput(known: KnownOutput | undefined): void {
    const isSame = known?.instance === this.instance;
    if (!isSame) this.#outbox.reset(this.#received);
    const missing = this.#outbox.missing(this.#received);
    if (missing.length > 0) this.#send(encodeFrame("I", missing));
  }

  fail(error: LabError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = error;
    this.#stream.destroy();
    this.#refuse(error);
    this.#events?.lost(error);
  }

  #send(frame: Buffer): void {
    if (!this.#isOver) this.#stream.write(frame);
  }

  #take(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (this.#isOver) return;
        if (this.#events) this.#pass(frame, this.#events);
        else if (this.instance === "" || this.#awaitsSnapshot) this.#takeGreeting(frame);
        else this.#early.push(frame);
      }
    } catch (error) {
      this.fail(toLabError(error));
    }
  }

  #takeGreeting({ kind, payload }: Frame): void {
    if (kind === "H") {
      const hello = Hello.parse(JSON.parse(payload.toString()));
      if (hello.protocol !== PROTOCOL)
        throw new LabError("terminal_failed", "the shell was started by another version of the lab server", {
          hint: "end it by `exit` in the console, or reset the lab",
        });
      this.instance = hello.instance;
      this.from = this.#outputEnd = this.#acked = hello.from;
      this.end = hello.end;
      this.#received = hello.input;
      this.#awaitsSnapshot = hello.hasSnapshot;
    } else if (kind === "P" && this.#partsBytes + payload.length <= SNAPSHOT_LIMIT_BYTES) {
      this.#parts.push(payload);
      this.#partsBytes += payload.length;
    } else if (kind === "S") {
      const text = Buffer.concat(this.#parts.splice(0)).toString();
      this.snapshot = { offset: decodeOffset(payload), ...decodeSize(payload, 8), text };
      this.#awaitsSnapshot = false;
    } else throw new LabError("terminal_failed", `the holder sent \`${kind}\` before its hello`);
    if (this.instance === "" || this.#awaitsSnapshot) return;
    this.#stream.pause();
    this.#greet();
  }

  #output(offset: number, data: Buffer, events: TerminalLinkEvents): void {
    if (offset !== this.#outputEnd || offset + data.length - this.#acked > UNACKNOWLEDGED_LIMIT_BYTES)
      throw new LabError("terminal_failed", "the terminal's holder does not keep to its rules", {
        hint: "reset the lab if this goes on",
      });
    this.#outputEnd += data.length;
    events.output(offset, data);
  }

  #pass({ kind, payload }: Frame, events: TerminalLinkEvents): void {
    if (this.#isOver) return;
    if (kind === "O") this.#output(decodeOffset(payload), payload.subarray(8), events);
    else if (kind === "Z") {
      const { cols, rows } = decodeSize(payload, 0);
      events.resized(cols, rows);
    } else if (kind === "J") this.#outbox.taken(decodeOffset(payload));
    else if (kind === "X") {
      this.close();
      events.exited(payload.readInt32BE(0));
    }
  }
}
