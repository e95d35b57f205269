import type { Duplex } from "node:stream";
import type { ExecOptions, ExecResult } from "./engine/engine.ts";

export interface StreamOptions {
  user: "root" | "admin";
  /** What to call it in messages; its command line where absent. */
  title?: string;
}

/**
 * Somewhere a shell can live: the VM (over SSH) or the toolbox container (over the engine). Terminals, verifiers and
 * file transfer need nothing more than this.
 */
export interface Place {
  readonly role: "vm" | "cluster";
  exec(argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /** stdin/stdout of a command as one raw duplex stream, without a pty. `user` is `root` or `admin`. */
  stream(argv: readonly string[], options: StreamOptions): Promise<Duplex>;
  writeFile(
    path: string,
    content: Uint8Array,
    options: { mode: number; owner: "root" | "admin" },
  ): Promise<void>;
  readFile(path: string, options: { maxBytes: number; user: "root" | "admin" }): Promise<Uint8Array>;
}
