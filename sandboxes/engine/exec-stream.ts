import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../errors.ts";
import { toEngineError } from "./docker-errors.ts";
import { PidAnnouncement } from "./pid-announcement.ts";
import type { ProcessStream } from "./process-stream.ts";

/** What the stream asks of the engine about its process. */
export interface ExecProcess {
  /** What it is called in messages. */
  title: string;
  /** Resolves once the process has ended. */
  exitCode(): Promise<number>;
  /** Kills the process group `pid` as seen inside the container, if it still runs. */
  kill(pid: number): Promise<void>;
}

const headerBytes = 8;
/** A shell says its id at once; one that was never started says nothing. */
const announceMs = 5_000;
const stdoutType = 1;

/**
 * A process in a container as one duplex stream: writes go to stdin, reads come from stdout. Frames of Docker's
 * multiplexed stream (`[type, 0, 0, 0, length:4]`, API reference, "Attach to a container") are taken apart with
 * back-pressure. Ending the writable side closes stdin; destroying kills the process.
 */
export class ExecStream extends Duplex implements ProcessStream {
  readonly #socket: Socket;
  readonly #process: ExecProcess;
  readonly #stderrLimit: number;
  readonly #failOnExit: boolean;
  #header = Buffer.alloc(0);
  #type = 0;
  #left = 0;
  #stderr: Buffer[] = [];
  #stderrBytes = 0;
  readonly #announcement = new PidAnnouncement();
  #exited = false;

  constructor(socket: Socket, process: ExecProcess, options: { stderrLimit: number; failOnExit: boolean }) {
    // When the process has ended there is nobody to write to: the readable's end ends the writable as well.
    super({ allowHalfOpen: false });
    // Whoever has lost interest need not listen; without a listener the error would end the whole server.
    this.on("error", () => {});
    this.#socket = socket;
    this.#process = process;
    this.#stderrLimit = options.stderrLimit;
    this.#failOnExit = options.failOnExit;
    socket.on("data", (chunk: Buffer) => {
      if (!this.#take(chunk)) socket.pause();
    });
    socket.on("end", () => void this.#finish());
    socket.on("error", (error) => this.destroy(toEngineError(error, `go on with ${process.title}`)));
    socket.on("close", () => {
      if (!socket.readableEnded) this.destroy(this.#lost());
    });
  }

  /** What the process has written to standard error: the newest of it, up to the limit. */
  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Exit code of the ended process; only after `end` or `close`. */
  exitCode: number | undefined;

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (!this.#socket.writable || this.#socket.write(chunk)) {
      done();
      return;
    }
    const go = () => {
      this.#socket.off("drain", go);
      this.#socket.off("close", go);
      done();
    };
    this.#socket.on("drain", go);
    this.#socket.on("close", go);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#socket.writable) this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    void this.#end().then(
      () => done(error),
      () => done(error),
    );
  }

  async #end(): Promise<void> {
    try {
      if (this.#exited) return;
      if (!this.#socket.destroyed) {
        this.#socket.resume();
        const gone = new Promise<undefined>((resolve) =>
          this.#socket.once("close", () => resolve(undefined)),
        );
        const pid = await Promise.race([
          this.#announcement.pid,
          gone,
          delay(announceMs, undefined, { ref: false }),
        ]);
        if (pid !== undefined && !this.#exited) await this.#process.kill(pid);
      }
    } finally {
      this.#socket.destroy();
    }
  }

  #take(chunk: Buffer): boolean {
    let rest = chunk;
    let wantsMore = true;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const missing = headerBytes - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#header.length < headerBytes) break;
        this.#type = this.#header.readUInt8(0);
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const body = rest.subarray(0, this.#left);
      rest = rest.subarray(body.length);
      this.#left -= body.length;
      if (this.#type !== stdoutType) this.#takeError(body);
      else if (!this.destroyed) wantsMore = this.push(body) && wantsMore;
    }
    return wantsMore || this.destroyed;
  }

  #takeError(body: Buffer): void {
    const text = this.#announcement.take(body);
    this.#stderr.push(text);
    this.#stderrBytes += text.length;
    while (this.#stderrBytes > this.#stderrLimit && this.#stderr.length > 1)
      this.#stderrBytes -= this.#stderr.shift()?.length ?? 0;
  }

  async #finish(): Promise<void> {
    try {
      this.exitCode = await this.#process.exitCode();
      this.#exited = true;
    } catch (error) {
      this.destroy(toEngineError(error, `learn how ${this.#process.title} ended`));
      return;
    }
    if (this.exitCode === 0 || !this.#failOnExit || this.destroyed) {
      this.push(null);
      return;
    }
    const said = this.stderr.trim().split("\n").slice(-5).join("; ");
    this.destroy(
      new LabError("command_failed", `${this.#process.title} exited with ${this.exitCode}: ${said}`),
    );
  }

  #lost(): LabError {
    return new LabError("docker_unavailable", `the connection to ${this.#process.title} was lost`, {
      hint: "Docker or the container stopped while it ran",
    });
  }
}
