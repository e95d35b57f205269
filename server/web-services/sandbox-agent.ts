import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";

/** What Node's HTTP client and the proxy call on a socket, and a stream through SSH or Docker has not. */
const SOCKET_METHODS = ["setTimeout", "setNoDelay", "setKeepAlive", "ref", "unref"] as const;

/** What an application has to close a connection whose answer is over. */
const LET_GO_MS = 2_000;

/**
 * An HTTP agent whose every connection is the one stream given to it: whatever address a request names, nothing else can
 * be reached through it.
 */
export class SandboxAgent extends Agent {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>) {
    super({ keepAlive: false });
    this.#connect = connect;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect().then(
      (stream) => callback?.(null, likeASocket(stream)),
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }
}

function likeASocket(stream: Duplex): Duplex {
  // Node takes its own listener away when a request is over; a stream that breaks after that is nobody's trouble.
  stream.on("error", () => {});
  const methods = stream as unknown as Record<string, unknown>;
  for (const name of SOCKET_METHODS) methods[name] ??= () => stream;
  // After the answer. Ending lets the connection's process go by itself; where the application does not let go, it is killed.
  methods.destroySoon ??= () => {
    stream.end();
    const timer = setTimeout(() => stream.destroy(), LET_GO_MS).unref();
    stream.once("close", () => clearTimeout(timer));
  };
  return stream;
}
