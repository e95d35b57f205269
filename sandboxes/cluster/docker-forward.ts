import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, pipeline } from "node:stream";

/** Something that listens here and whose every connection comes out somewhere else. */
export interface Forward extends AsyncDisposable {
  /** `unix:///…/docker.sock`, or `127.0.0.1:43210`. */
  readonly address: string;
}

/**
 * A unix socket here for a Docker elsewhere, which only `open` reaches: what `DOCKER_HOST` of the docker and kind
 * commands points to. The folder it lies in is this user's alone.
 */
export async function forwardUnixSocket(open: () => Promise<Duplex>): Promise<Forward> {
  const folder = await mkdtemp(join(tmpdir(), "footbridge-docker-"));
  const path = join(folder, "docker.sock");
  const server = await listen(open, path);
  return {
    address: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port of this host's loopback for a TCP service that only `open` reaches. */
export async function forwardTcpPort(open: () => Promise<Duplex>): Promise<Forward> {
  const server = await listen(open, undefined);
  return { address: `127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.close() };
}

async function listen(open: () => Promise<Duplex>, path: string | undefined) {
  const streams = new Set<Duplex>();
  const keep = (stream: Duplex) => {
    streams.add(stream);
    // What broke is closed, and closing is what the other side hears of.
    stream.on("error", () => {});
    stream.once("close", () => streams.delete(stream));
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    keep(socket);
    void joinStreams(socket, open, keep);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (path === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(path, resolve);
  });
  return {
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    async close() {
      for (const stream of streams) stream.destroy();
      await closed(server);
    },
  };
}

async function joinStreams(socket: Socket, open: () => Promise<Duplex>, keep: (stream: Duplex) => void) {
  try {
    const far = await open();
    keep(far);
    // Each of the two pipelines listens five times for a stream's end, and Node warns of a leak from the eleventh on.
    for (const stream of [socket, far]) stream.setMaxListeners(20);
    // Two pipelines, since each direction ends on its own: `docker load` closes one and reads the answer on the other.
    pipeline(socket, far, () => {});
    pipeline(far, socket, () => {});
  } catch {
    // Whoever connected sees the connection close and says so; there is nobody else to tell.
    socket.destroy();
  }
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));
