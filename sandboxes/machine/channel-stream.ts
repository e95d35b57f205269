import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";
import { PidAnnouncement } from "../engine/pid-announcement.ts";
import type { ProcessStream } from "../engine/process-stream.ts";
import { LabError } from "../errors.ts";

const stderrLimit = 64 * 1024;

export interface ChannelOptions {
  /** What runs at the other end, for messages. */
  title: string;
  /** A command has an exit code and can be killed; a forwarded connection has neither. */
  kind: "command" | "connection";
  /** An exit code other than 0 becomes the stream's error. */
  failOnExit: boolean;
  /** Whether the SSH connection below still stands: ssh2 ends channels alike when it breaks. */
  isConnected: () => boolean;
  /** Kills the process group of a command. */
  kill: (pid: number) => void;
}

/**
 * An SSH channel as an ordinary stream: ssh2's own neither ends a write that the other side will not take any more, nor
 * kills the command when it is destroyed, nor tells a lost connection from a clean end.
 */
export class ChannelStream extends Duplex implements ProcessStream {
  readonly #channel: ClientChannel;
  readonly #options: ChannelOptions;
  #stderr = Buffer.alloc(0);
  #signal: string | undefined;
  #closed = false;
  readonly #announcement = new PidAnnouncement();
  exitCode: number | undefined;

  constructor(channel: ClientChannel, options: ChannelOptions) {
    super({ allowHalfOpen: options.kind === "connection" });
    // Whoever has lost interest need not listen; without a listener the error would end the whole server.
    this.on("error", () => {});
    this.#channel = channel;
    this.#options = options;
    channel.on("data", (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    // Unread standard error would use up the channel's window.
    channel.stderr?.on("data", (chunk: Buffer) => {
      const text = this.#announcement.take(chunk);
      this.#stderr = Buffer.concat([this.#stderr, text]).subarray(-stderrLimit);
    });
    channel.on("exit", (code: number | null, signal?: string) => {
      this.exitCode = code ?? 128;
      this.#signal = signal;
    });
    // A command's end waits for its exit code; a connection may be half closed for long.
    channel.on("end", () => {
      if (options.kind === "connection" && options.isConnected()) this.push(null);
    });
    channel.on("close", () => this.#close());
    channel.on("error", (error: Error) => this.destroy(error));
  }

  get stderr(): string {
    return this.#stderr.toString();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    let called = false;
    const once = () => {
      if (called) return;
      called = true;
      this.#channel.off("close", once);
      done();
    };
    if (this.#closed || !this.#channel.writable) return void once();
    this.#channel.on("close", once);
    this.#channel.write(chunk, once);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#closed && this.#channel.writable) this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#closed) {
      this.#closed = true;
      const { kind, kill, isConnected } = this.#options;
      // ssh2 sends no signal once standard input is closed, and sshd lets go of a command without ending it.
      if (kind === "command" && this.exitCode === undefined)
        void this.#announcement.pid.then((pid) => isConnected() && this.exitCode === undefined && kill(pid));
      else this.#channel.close();
      this.#channel.resume();
    }
    done(error);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { title, kind, failOnExit, isConnected } = this.#options;
    const isLost = kind === "command" ? this.exitCode === undefined : !isConnected();
    if (isLost) {
      this.destroy(
        new LabError("machine_failed", `the connection to ${title} was lost`, {
          hint: "the machine may have been switched off or restarted",
        }),
      );
    } else if (this.exitCode && failOnExit) {
      const how = this.#signal ? `was killed by ${this.#signal}` : `exited with ${this.exitCode}`;
      const said = this.stderr.trim().split("\n").slice(-5).join("; ");
      this.destroy(new LabError("command_failed", `${title} ${how}: ${said}`));
    } else if (kind === "command") this.push(null);
  }
}
