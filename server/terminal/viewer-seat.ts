import { Buffer } from "node:buffer";
import type { ScreenSnapshot } from "../../sandboxes/terminal/terminal-link.ts";
import { ACK_EVERY_BYTES, WATCHER_WINDOW_BYTES, WRITER_WINDOW_BYTES } from "../protocol/socket.ts";
import type { TerminalViewer } from "./hub.ts";
import type { OutputRing, RingCursor, RingEntry } from "./output-ring.ts";

/**
 * One viewer at one terminal: how far it has been sent the output and how far it has shown it. It is never sent more
 * than a window ahead; when the ring has moved past it, it is `isStale` until it gets a new snapshot.
 */
export class ViewerSeat {
  readonly viewer: TerminalViewer;
  readonly #terminalId: string;
  #isWriter = false;
  #isOpen = false;
  #cursor: RingCursor | undefined;
  #sent = 0;
  #acked = 0;
  /** Of the snapshot under way, with the output it was sent after: held until the viewer has shown it. */
  #snapshotBytes = 0;
  #cols = 0;
  #rows = 0;

  constructor(terminalId: string, viewer: TerminalViewer) {
    this.#terminalId = terminalId;
    this.viewer = viewer;
  }

  get isWriter(): boolean {
    return this.#isWriter;
  }

  /** False until its page has got the answer to its opening: nothing may be sent before. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isStale(): boolean {
    return this.#cursor === undefined;
  }

  /** Output up to here is on the viewer's screen. */
  get acked(): number {
    return this.#acked;
  }

  /** Whether a snapshot would not just be added to a heap the viewer has yet to work through. */
  get isReadyForSnapshot(): boolean {
    return this.#sent - this.#acked + this.#snapshotBytes < WATCHER_WINDOW_BYTES / 2;
  }

  get snapshotBytes(): number {
    return this.#snapshotBytes;
  }

  /** Output under way that the ring no longer has: only this viewer's socket still holds it. */
  outputBeyond(ring: OutputRing): { from: number; to: number } {
    return { from: this.#acked, to: this.isStale ? this.#sent : Math.min(this.#sent, ring.start) };
  }

  /** Gives or takes the keyboard; the viewer is told. */
  setWriter(isWriter: boolean): void {
    if (this.#isWriter === isWriter) return;
    this.#isWriter = isWriter;
    if (this.#isOpen) this.tellSize();
  }

  /** Repeats the size the viewer has: who has the keyboard changed, or the shell is in reach again. */
  tellSize(): void {
    this.viewer.size(this.#terminalId, this.#cols, this.#rows, this.#isWriter);
  }

  /** The viewer has shown everything before `offset` and goes on there. */
  resumeAt(ring: OutputRing, offset: number, size: { cols: number; rows: number }): void {
    this.#isOpen = true;
    this.#cursor = ring.locate(offset);
    this.#sent = this.#acked = offset;
    this.#snapshotBytes = 0;
    this.#cols = size.cols;
    this.#rows = size.rows;
  }

  /** The viewer is given this screen by other means and goes on after it. */
  startFrom(ring: OutputRing, snapshot: ScreenSnapshot): void {
    const underWay = this.#sent - this.#acked;
    this.resumeAt(ring, snapshot.offset, snapshot);
    this.#snapshotBytes = underWay + Buffer.byteLength(snapshot.text);
  }

  sendSnapshot(ring: OutputRing, snapshot: ScreenSnapshot, instance: string): void {
    this.startFrom(ring, snapshot);
    this.tellSize();
    this.viewer.snapshot(this.#terminalId, snapshot.offset, snapshot.text, instance);
  }

  /** Forget how far it is: a snapshot must come next. */
  makeStale(): void {
    this.#cursor = undefined;
  }

  ack(offset: number): void {
    // An older one may still have been on its way when a snapshot was sent.
    if (offset < this.#acked) return;
    this.#acked = Math.min(this.#sent, offset);
    this.#snapshotBytes = 0;
  }

  /** Sends what the window allows; the least that gets a viewer on where others hold too much already. */
  pump(ring: OutputRing, { isCrowded }: { isCrowded: boolean }): void {
    const whole = this.#isWriter ? WRITER_WINDOW_BYTES : WATCHER_WINDOW_BYTES;
    const window = isCrowded && !this.#isWriter ? ACK_EVERY_BYTES : whole;
    while (this.#cursor) {
      const room = window - (this.#sent - this.#acked) - Math.min(this.#snapshotBytes, window / 2);
      const entry = room > 0 ? ring.at(this.#cursor) : undefined;
      if (entry === undefined) return;
      if (entry === "gone") this.makeStale();
      else this.#send(entry, this.#cursor, room);
    }
  }

  #send(entry: RingEntry, { next, skip }: RingCursor, room: number): void {
    const isCut = entry.kind === "output" && entry.data.length - skip > room;
    this.#cursor = isCut ? { next, skip: skip + room } : { next: next + 1, skip: 0 };
    if (entry.kind === "size") {
      this.#cols = entry.cols;
      this.#rows = entry.rows;
      this.tellSize();
    } else if (entry.kind === "exit") this.viewer.exit(this.#terminalId, entry.status);
    else {
      const data = entry.data.subarray(skip, skip + room);
      this.#sent = entry.offset + skip + data.length;
      this.viewer.output(this.#terminalId, entry.offset + skip, data);
    }
  }
}
