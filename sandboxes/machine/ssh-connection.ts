import type { Duplex } from "node:stream";
import { Client, type ClientChannel } from "ssh2";
import { announcePid, killGroup } from "../engine/pid-announcement.ts";
import { LabError } from "../errors.ts";
import { type ChannelOptions, ChannelStream } from "./channel-stream.ts";

export interface SshConnectionDeps {
  /** A raw connection to the guest's sshd. */
  dial: () => Promise<Duplex>;
  username: "root" | "admin";
  /** OpenSSH private key of this installation. */
  privateKey: string;
  /** How long a channel may take to open; 30 s unless it says otherwise. */
  channelTimeoutMs?: number;
}

type Open = (client: Client, done: (error: Error | undefined, channel: ClientChannel) => void) => unknown;

/** Key exchange and login take seconds on an emulated processor that is still booting. */
const loginTimeoutMs = 60_000;
/** The guest's sshd is the learner's: it may answer everything but this. */
const channelTimeoutMs = 30_000;

/**
 * One connection to a guest's sshd that everything of one user shares. It is made when first needed and again after it
 * was lost. The host's key is not compared: the way there is a pipe of Docker's into the machine's own container, and
 * the guest's owner may change the key.
 */
export class SshConnection {
  readonly #deps: SshConnectionDeps;
  #client: Promise<Client> | undefined;

  constructor(deps: SshConnectionDeps) {
    this.#deps = deps;
  }

  /**
   * Connects, if it is not connected yet, and does nothing with it.
   * @throws LabError `machine_failed`
   */
  async login(): Promise<void> {
    await (this.#client ?? this.#connect());
  }

  /** @throws LabError `machine_failed` where no connection can be made, `timed_out` where sshd stays silent. */
  async command(line: string, options: { title: string; failOnExit: boolean }): Promise<ChannelStream> {
    const open: Open = (client, done) => client.exec(announcePid(line), done);
    return await this.#channel(open, { ...options, kind: "command" });
  }

  /** A connection from inside the guest to one of its unix sockets. */
  async connectSocket(path: string): Promise<Duplex> {
    const open: Open = (client, done) => client.openssh_forwardOutStreamLocal(path, done);
    return await this.#channel(open, { title: `\`${path}\``, kind: "connection", failOnExit: false });
  }

  /** A TCP connection from inside the guest. */
  async connectTcp(address: string, port: number): Promise<Duplex> {
    const open: Open = (client, done) => client.forwardOut("127.0.0.1", 0, address, port, done);
    return await this.#channel(open, {
      title: `\`${address}:${port}\``,
      kind: "connection",
      failOnExit: false,
    });
  }

  /** Hangs up; the next use connects anew. */
  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then(
      (open) => open.destroy(),
      () => {},
    );
  }

  async #channel(open: Open, options: Omit<ChannelOptions, "isConnected" | "kill">): Promise<ChannelStream> {
    for (let attempt = 1; ; attempt++) {
      const connecting = this.#client ?? this.#connect();
      const isConnected = () => this.#client === connecting;
      try {
        const client = await connecting;
        const kill = (pid: number) => {
          try {
            client.exec(killGroup(pid), (_, killing) => killing?.resume());
          } catch {
            // ssh2 throws where the connection is gone, and the command with it.
          }
        };
        return await this.#open(client, open, { ...options, isConnected, kill });
      } catch (error) {
        // One that broke unnoticed shows when it is used, and one that could not be made may have met a guest that
        // stood still for a moment, as emulated ones do: once more with a new one.
        if (attempt === 1 && !isConnected()) continue;
        if (error instanceof LabError) throw error;
        const said = error instanceof Error ? error.message : String(error);
        throw new LabError("machine_failed", `could not reach ${options.title} in the machine: ${said}`, {
          cause: error,
        });
      }
    }
  }

  async #open(client: Client, open: Open, options: ChannelOptions): Promise<ChannelStream> {
    const timeoutMs = this.#deps.channelTimeoutMs ?? channelTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ChannelStream>((resolve, reject) => {
        let isLate = false;
        timer = setTimeout(() => {
          isLate = true;
          const what = `could not reach ${options.title} in the machine`;
          const hint = "is its SSH server the one it came with? reset the lab";
          reject(new LabError("timed_out", `${what} within ${timeoutMs / 1000} s`, { hint }));
        }, timeoutMs);
        open(client, (error, channel) => {
          if (error) return reject(error);
          // Here and not a tick later: a short command's whole life may be in the packet that opens its channel.
          const stream = new ChannelStream(channel, options);
          if (isLate) stream.destroy();
          else resolve(stream);
        });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #connect(): Promise<Client> {
    const connecting = this.#login();
    this.#client = connecting;
    const forget = () => {
      if (this.#client === connecting) this.#client = undefined;
    };
    // After its error or end a client takes no command any more, and may yet be long in closing.
    connecting.then((client) => {
      client.once("error", forget).once("end", forget).once("close", forget);
    }, forget);
    return connecting;
  }

  async #login(): Promise<Client> {
    const socket = await this.#deps.dial();
    const client = new Client();
    const ready = Promise.withResolvers<void>();
    // Nobody waits for it where the client would not even begin.
    ready.promise.catch(() => {});
    client.on("ready", ready.resolve);
    // Kept for good: an error after login only means that the connection closes, without waiting for the guest.
    client.on("error", (error) => {
      ready.reject(error);
      socket.destroy();
    });
    client.on("close", () => {
      socket.destroy();
      ready.reject(new Error("the guest hung up"));
    });
    socket.on("error", (error) => client.destroy() && ready.reject(error));
    try {
      // It throws on a key that it can't read.
      client.connect({
        sock: socket,
        username: this.#deps.username,
        privateKey: this.#deps.privateKey,
        readyTimeout: loginTimeoutMs,
        // "none" would only be refused, and each question costs the guest time.
        authHandler: ["publickey"],
        algorithms: {
          kex: ["ecdh-sha2-nistp256", "curve25519-sha256"],
          // Measured under emulation: 13 MB/s, against 6 with ChaCha20, which ssh2 would take first.
          cipher: ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"],
        },
        keepaliveInterval: 15_000,
        keepaliveCountMax: 6,
      });
      await ready.promise;
    } catch (error) {
      client.destroy();
      socket.destroy();
      const said = error instanceof Error ? error.message : String(error);
      throw new LabError("machine_failed", `could not log in to the machine by SSH: ${said}`, {
        hint: "is it switched on and past its boot? its console shows where it stands",
        cause: error,
      });
    }
    return client;
  }
}
