import { Buffer } from "node:buffer";

/**
 * A shell line that says its process id on standard error, then becomes `command`. Neither Docker nor ssh2 can be
 * trusted to kill what they have started, but both start it as the leader of its own process group, so the id is enough.
 * @param command what to run, quoted for a shell.
 */
export function announcePid(command: string): string {
  return `echo "$$" >&2; exec ${command}`;
}

/** A shell line that kills what announced this id, and what it has started. */
export function killGroup(pid: number): string {
  return `kill -s KILL -- -${pid}`;
}

/** Takes the announcement off the front of a process's standard error. */
export class PidAnnouncement {
  readonly #known = Promise.withResolvers<number>();
  /** Resolves once the process has said its id. */
  readonly pid: Promise<number> = this.#known.promise;
  #pending: Buffer | undefined = Buffer.alloc(0);

  /** Gives what of `chunk` the process itself wrote. */
  take(chunk: Buffer): Buffer {
    if (this.#pending === undefined) return chunk;
    const text = Buffer.concat([this.#pending, chunk]);
    const end = text.indexOf(0x0a);
    // No id is this long: the shell was never started, and this is the word of whoever could not.
    const isOther = !/^\d{0,10}$/.test(text.subarray(0, end < 0 ? text.length : end).toString());
    this.#pending = end < 0 && !isOther ? text : undefined;
    if (isOther) return text;
    if (end < 0) return Buffer.alloc(0);
    this.#known.resolve(Number(text.subarray(0, end).toString()));
    return text.subarray(end + 1);
  }
}
