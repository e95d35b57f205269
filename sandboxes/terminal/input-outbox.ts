import { Buffer } from "node:buffer";

/** The sender of input is told to go on while less than this waits to be taken. */
const LOW_BYTES = 32 * 1024;
const LIMIT_BYTES = 256 * 1024;

/**
 * Input by its number, kept until the shell's pty has taken it: for flow control, and because a connection can die
 * with input in it.
 */
export class InputOutbox {
  #chunks: { start: number; data: Buffer }[] = [];
  #end = 0;
  #taken = 0;
  #waiting: { until: number; go: () => void }[] = [];

  get bytes(): number {
    return this.#end - this.#taken;
  }

  /** Whether there is room: a sender that waits for `add` always finds some. */
  fits(bytes: number): boolean {
    return this.bytes + bytes <= LIMIT_BYTES;
  }

  /** Resolves when the sender may go on. */
  add(data: Buffer): Promise<void> {
    this.#chunks.push({ start: this.#end, data });
    this.#end += data.length;
    if (this.bytes <= LOW_BYTES) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ until: this.#end - LOW_BYTES, go }));
  }

  /** The pty has taken this many bytes in all. */
  taken(total: number): void {
    this.#taken = Math.min(this.#end, Math.max(this.#taken, total));
    this.#chunks = this.#chunks.filter(({ start, data }) => start + data.length > this.#taken);
    const ready = this.#waiting.filter(({ until }) => until <= this.#taken);
    this.#waiting = this.#waiting.filter(({ until }) => until > this.#taken);
    for (const { go } of ready) go();
  }

  /** On a new connection to the same shell: what it never received. */
  missing(received: number): Buffer {
    this.taken(Math.min(received, this.#end));
    return Buffer.concat(this.#chunks.map(({ start, data }) => data.subarray(Math.max(0, received - start))));
  }

  /** Starts with a shell that has received `received` bytes from others. Senders still waiting go on. */
  reset(received: number): void {
    this.#chunks = [];
    this.#taken = this.#end = received;
    for (const { go } of this.#waiting) go();
    this.#waiting = [];
  }
}
