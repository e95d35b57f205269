import { Duplex, type Readable, type Writable } from "node:stream";

/** One stream of two halves, as a process's output and input are. */
export function duplexOf(readable: Readable, writable: Writable): Duplex {
  // The types know of pairs of web streams only; Node documents and takes these too.
  return Duplex.from({ readable, writable } as unknown as Iterable<unknown>);
}
