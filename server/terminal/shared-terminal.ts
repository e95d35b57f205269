import { Buffer } from "node:buffer";
import { LabError } from "../../sandboxes/errors.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import type { KnownOutput, TerminalLink } from "../../sandboxes/terminal/terminal-link.ts";
import { settledWithin } from "../../sandboxes/waiting.ts";
import { SCROLLBACK_LINES, type TerminalOpen, type TerminalOpened } from "../protocol/socket.ts";
import type { TerminalViewer } from "./hub.ts";
import { OutputRing } from "./output-ring.ts";
import { Screen, SNAPSHOT_LIMIT_BYTES } from "./screen.ts";
import { ShellConnection } from "./shell-connection.ts";
import { SnapshotKeeper } from "./snapshot-keeper.ts";
import { unionBytes } from "./union-bytes.ts";
import { ViewerSeat } from "./viewer-seat.ts";

/** Output kept for pages that come back. More than the holder ever sends ahead, so that the writer never misses any. */
const RING_BYTES = 448 * 1024;
const ACK_STEP_BYTES = 32 * 1024;
/** All that one terminal keeps in memory, snapshots of the usual size included. */
const MEMORY_BYTES = 960 * 1024;
/** A snapshot of less is of no use; a screen of many colours without scrollback is about as large. */
const LEAST_SNAPSHOT_BYTES = 64 * 1024;
/** When viewers that show nothing hold so much beside the ring, the next ones get little at a time. */
const CROWDED_BYTES = 192 * 1024;
/** An attempt to attach fails well before this; only a shell that never ends its replay makes a page wait so long. */
const READY_MS = 60_000;
/** Viewers that fell behind get a new screen no more often than this. */
const RESYNC_MS = 500;
const RESYNC_SCROLLBACK_LINES = 1_000;

export interface ConnectRequest {
  cols: number;
  rows: number;
  known: KnownOutput | undefined;
  outbox: InputOutbox;
  signal: AbortSignal;
}

export interface SharedTerminalDeps {
  terminalId: string;
  connect(request: ConnectRequest): Promise<TerminalLink>;
  /** After so long without viewers it lets go of the shell, which goes on living in its place. */
  idleMs: number;
  /** A page with the keyboard that shows nothing for so long, though there is something, is waited for no longer. */
  writerStallMs: number;
  /** Nothing holds it any more. */
  onIdle(): void;
}

/** One terminal of the lab server: attached once, looked at by any number of viewers of whom one writes. */
export class SharedTerminal {
  readonly #deps: SharedTerminalDeps;
  readonly #connection: ShellConnection;
  readonly #outbox = new InputOutbox();
  readonly #seats = new Map<string, ViewerSeat>();
  readonly #keeper = new SnapshotKeeper(() => this.#roomBytes);
  /** What the writer's page wants. */
  #size = { cols: 80, rows: 24 };
  /** What the newest output is meant for. */
  #shellSize = this.#size;
  #screen = new Screen({ offset: 0, ...this.#size }, () => {});
  #ring = new OutputRing(0, RING_BYTES);
  #instance = "";
  #acked = 0;
  #hasEnded = false;
  #lost: LabError | undefined;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  #stall: NodeJS.Timeout | undefined;
  #resync: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(deps: SharedTerminalDeps) {
    this.#deps = deps;
    this.#connection = new ShellConnection({
      connect: (signal) =>
        deps.connect({ ...this.#size, known: this.#known(), outbox: this.#outbox, signal }),
      attached: (link) => this.#attached(link),
      exited: (status) => this.#exited(status),
      lost: (reason) => this.#lostNow(reason),
      isWanted: () => this.#seats.size > 0,
    });
  }

  /** Bytes of this terminal that are under way through this process or kept to be sent again. */
  get bufferedBytes(): number {
    let snapshots = 0;
    for (const seat of this.#seats.values()) snapshots += seat.snapshotBytes;
    const link = this.#connection.link?.bufferedBytes ?? 0;
    // What the screen has yet to draw is in the ring, which is larger than all that may be under way.
    return this.#ring.bytes + this.#screen.copiedBytes + this.#beyondRing() + snapshots + link;
  }

  get viewers(): number {
    return this.#seats.size;
  }

  /** Nothing is sent to the viewer before the answer is on its way. */
  async open(request: TerminalOpen, viewer: TerminalViewer): Promise<TerminalOpened> {
    const { terminalId } = this.#deps;
    clearTimeout(this.#idle);
    const seat = new ViewerSeat(terminalId, viewer);
    this.#seats.delete(viewer.id);
    this.#seats.set(viewer.id, seat);
    this.#elect();
    if (seat.isWriter) this.#size = { cols: request.cols, rows: request.rows };
    if (this.#hasEnded && request.restart) this.#forgetShell();
    if (!this.#hasEnded) this.#connection.start();
    if (seat.isWriter) this.resize(viewer.id, request.cols, request.rows);
    if (!this.#lost) await settledWithin(READY_MS, this.#ready.promise);
    return await new Promise((resolve, reject) => {
      this.#whenDrawn(() => {
        if (this.#seats.get(viewer.id) !== seat)
          return reject(new LabError("aborted", "the page left before its terminal was there"));
        resolve(this.#seat(seat, request));
        setImmediate(() => {
          if (this.#lost) viewer.lost(terminalId, this.#lost);
          this.#pump(seat);
        });
      });
    });
  }

  input(viewerId: string, data: string): Promise<void> {
    const link = this.#connection.link;
    if (!link || !this.#seats.get(viewerId)?.isWriter) return Promise.resolve();
    return link.input(Buffer.from(data));
  }

  resize(viewerId: string, cols: number, rows: number): void {
    if (!this.#seats.get(viewerId)?.isWriter) return;
    this.#size = { cols, rows };
    const { link } = this.#connection;
    if (link) link.resize(cols, rows);
    else if (this.#hasEnded) this.#resized(cols, rows);
  }

  ack(viewerId: string, offset: number): void {
    const seat = this.#seats.get(viewerId);
    if (!seat) return;
    seat.ack(offset);
    if (seat.isWriter) {
      clearTimeout(this.#stall);
      this.#stall = undefined;
    }
    this.#pump(seat);
    if (seat.isStale) this.#resyncSoon();
    this.#ackSource();
  }

  /** Gives the keyboard to this viewer, if it may have it. */
  write(viewerId: string): void {
    const seat = this.#seats.get(viewerId);
    if (!seat?.viewer.mayWrite) return;
    for (const other of this.#seats.values()) other.setWriter(other === seat);
    this.#ackSource();
  }

  leave(viewerId: string): void {
    if (!this.#seats.delete(viewerId)) return;
    this.#elect();
    this.#ackSource();
    if (this.#seats.size > 0) return;
    if (this.#hasEnded) this.#deps.onIdle();
    else this.#idle = setTimeout(() => this.#deps.onIdle(), this.#deps.idleMs).unref();
  }

  /** See `TerminalHub.reattach`. */
  reattach(): void {
    this.#connection.renew(new LabError("terminal_failed", "the VM was powered off or restarted"));
  }

  /** Lets go of the shell. `reason`, when given, is told to the viewers. */
  close(reason?: LabError): void {
    for (const timer of [this.#idle, this.#stall, this.#resync]) clearTimeout(timer);
    this.#keeper.stop();
    this.#connection.close();
    if (reason) this.#tellLost(reason);
    this.#seats.clear();
    this.#screen.dispose();
  }

  #known(): KnownOutput | undefined {
    return this.#instance ? { instance: this.#instance, end: this.#ring.end } : undefined;
  }

  #seat(seat: ViewerSeat, request: TerminalOpen): TerminalOpened {
    const { cols, rows } = this.#screen;
    const { terminalId } = this.#deps;
    const base = { terminalId, instance: this.#instance, isWriter: seat.isWriter, cols, rows };
    if (this.#canResume(request)) {
      seat.resumeAt(this.#ring, request.from, { cols, rows });
      return { ...base, mode: "resume", snapshot: "", offset: request.from };
    }
    const snapshot = this.#screen.snapshot(SCROLLBACK_LINES, this.#roomBytes);
    seat.startFrom(this.#ring, snapshot);
    return { ...base, mode: "snapshot", snapshot: snapshot.text, offset: snapshot.offset };
  }

  #canResume(request: TerminalOpen): request is TerminalOpen & { from: number } {
    const { from, instance } = request;
    if (from === undefined || instance !== this.#instance || instance === "") return false;
    return this.#ring.locate(from) !== undefined && !this.#ring.hasSizeSince(from);
  }

  #attached(link: TerminalLink) {
    const goesOn = link.instance === this.#instance && link.from === this.#ring.end;
    if (!goesOn) this.#startScreen(link);
    this.#instance = link.instance;
    this.#acked = link.from;
    this.#lost = undefined;
    const readyAt = link.end;
    const readyWhenDrawn = () => {
      if (!this.#isReady && this.#ring.end >= readyAt) this.#screen.whenDrawn(() => this.#nowReady());
    };
    setImmediate(() => {
      const { cols, rows } = this.#size;
      // Output is missing: programs that fill the screen draw it anew when their size changes.
      if (this.#hasGap(link)) link.resize(cols, Math.max(1, rows - 1));
      link.resize(cols, rows);
      readyWhenDrawn();
    });
    return {
      output: (_offset: number, data: Buffer) => {
        this.#output(data);
        readyWhenDrawn();
      },
      resized: (cols: number, rows: number) => this.#resized(cols, rows),
    };
  }

  #hasGap({ from, snapshot }: TerminalLink): boolean {
    return this.#ring.start === from && from > (snapshot?.offset ?? 0);
  }

  /** Another shell, or one of which too much has passed unseen: begin with what its holder kept. */
  #startScreen({ from, snapshot }: TerminalLink): void {
    const screen: Screen = new Screen(
      { ...this.#size, ...snapshot, offset: from },
      () => this.#screen === screen && this.#drawn(),
    );
    this.#screen.dispose();
    this.#screen = screen;
    this.#shellSize = { cols: screen.cols, rows: screen.rows };
    this.#ring = new OutputRing(from, RING_BYTES);
    this.#keeper.startFrom(from);
    for (const seat of this.#seats.values()) seat.makeStale();
  }

  #nowReady(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#ready.resolve();
    for (const seat of this.#seats.values()) if (seat.isOpen && !seat.isStale) seat.tellSize();
    this.#resyncNow();
  }

  #output(data: Buffer): void {
    this.#ring.append(data);
    for (const seat of this.#seats.values()) {
      this.#pump(seat);
      if (seat.isOpen && seat.isStale) this.#resyncSoon();
    }
    this.#screen.write(data);
  }

  #resized(cols: number, rows: number): void {
    if (cols === this.#shellSize.cols && rows === this.#shellSize.rows) return;
    this.#shellSize = { cols, rows };
    this.#ring.resize(cols, rows);
    this.#screen.resize(cols, rows);
    for (const seat of this.#seats.values()) this.#pump(seat);
  }

  #drawn(): void {
    this.#ackSource();
    if (this.#connection.link) this.#keeper.drawn(this.#screen, this.#connection.link);
  }

  /** The shell is let go on when server and writer have shown its output: that is flow control from end to end. */
  #ackSource(): void {
    const link = this.#connection.link;
    if (!link) return;
    const writer = this.#writer();
    let handled = this.#screen.offset;
    if (writer && !writer.isStale && writer.acked < handled) {
      handled = writer.acked;
      this.#stall ??= setTimeout(() => this.#passOver(writer), this.#deps.writerStallMs).unref();
    }
    if (handled - this.#acked < ACK_STEP_BYTES) return;
    this.#acked = handled;
    link.ack(handled);
  }

  /** The writer's page does not show what it was sent (a sleeping laptop): the shell goes on without it. */
  #passOver(writer: ViewerSeat): void {
    this.#stall = undefined;
    if (this.#ring.end - writer.acked < RING_BYTES / 2) return;
    writer.makeStale();
    this.#ackSource();
  }

  #resyncSoon(): void {
    this.#resync ??= setTimeout(() => {
      this.#resync = undefined;
      this.#resyncNow(RESYNC_SCROLLBACK_LINES);
    }, RESYNC_MS).unref();
  }

  #resyncNow(scrollback?: number): void {
    if (!this.#isReady) return;
    this.#whenDrawn(() => {
      const seats = [...this.#seats.values()].filter(
        (seat) => seat.isOpen && seat.isStale && seat.isReadyForSnapshot,
      );
      if (seats.length === 0) return;
      const snapshot = this.#screen.snapshot(scrollback, this.#roomBytes);
      for (const seat of seats) {
        seat.sendSnapshot(this.#ring, snapshot, this.#instance);
        this.#pump(seat);
      }
    });
  }

  /** At a moment when the screen and its offset belong together, whichever screen it is by then. */
  #whenDrawn(action: () => void): void {
    const screen = this.#screen;
    screen.whenDrawn(() => (screen === this.#screen ? action() : this.#whenDrawn(action)));
  }

  #exited(status: number): void {
    this.#hasEnded = true;
    this.#ring.exit(status);
    this.#nowReady();
    for (const seat of this.#seats.values()) this.#pump(seat);
    if (this.#seats.size === 0) this.#deps.onIdle();
  }

  #lostNow(reason: LabError): void {
    this.#lost = this.#seats.size > 0 ? reason : undefined;
    this.#isReady = false;
    this.#ready.resolve();
    this.#ready = Promise.withResolvers();
    this.#tellLost(reason);
  }

  #tellLost(reason: LabError): void {
    for (const { viewer, isOpen } of this.#seats.values())
      if (isOpen) viewer.lost(this.#deps.terminalId, reason);
  }

  #forgetShell(): void {
    this.#hasEnded = false;
    this.#instance = "";
    this.#isReady = false;
    this.#ready = Promise.withResolvers();
  }

  /** Output that the ring has dropped and viewers have yet to take; what several of them hold is one memory. */
  #beyondRing(except?: ViewerSeat): number {
    const seats = [...this.#seats.values()].filter((seat) => seat !== except);
    return unionBytes(seats.map((seat) => seat.outputBeyond(this.#ring)));
  }

  get #roomBytes(): number {
    const room = MEMORY_BYTES - this.bufferedBytes;
    return Math.min(SNAPSHOT_LIMIT_BYTES, Math.max(LEAST_SNAPSHOT_BYTES, room));
  }

  #pump(seat: ViewerSeat): void {
    seat.pump(this.#ring, { isCrowded: this.#beyondRing(seat) > CROWDED_BYTES });
  }

  #writer(): ViewerSeat | undefined {
    return [...this.#seats.values()].find((seat) => seat.isWriter);
  }

  #elect(): void {
    if (this.#writer()) return;
    [...this.#seats.values()].find((seat) => seat.viewer.mayWrite)?.setWriter(true);
  }
}
