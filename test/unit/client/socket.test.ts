import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { afterEach, expect, test, vi } from "vitest";
import { openSocket } from "../../../client/connection/socket.ts";
import { poll } from "../../poll.ts";
import { freePorts } from "../../support/free-port.ts";

const PAGES = 30;
/** Enough for every wait between two attempts to have grown as long as it gets. */
const ATTEMPTS = 5;

afterEach(() => vi.unstubAllGlobals());

async function serve(port: number): Promise<Server> {
  const http = createServer();
  const io = new Server(http, { transports: ["websocket"], serveClient: false });
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return io;
}

test("a roomful of pages is back within a second of a server that was away, but not all at once", async () => {
  const [port = 0] = await freePorts(1);
  vi.stubGlobal("location", { protocol: "http:", host: `127.0.0.1:${port}` });
  const first = await serve(port);
  const sockets = Array.from({ length: PAGES }, () => openSocket().connect());
  try {
    await poll(() => sockets.every(({ connected }) => connected), "all pages are there");
    const attempts = sockets.map(() => 0);
    for (const [index, { io }] of sockets.entries())
      io.on("reconnect_attempt", (attempt) => {
        attempts[index] = attempt;
      });
    await first.close();
    await poll(() => attempts.every((count) => count >= ATTEMPTS), "the outage has lasted");
    // What each waits before it tries next, as its manager plans it.
    const pausesMs = sockets.map(({ io }) =>
      (io as unknown as { backoff: { duration(): number } }).backoff.duration(),
    );
    expect(Math.max(...pausesMs)).toBeLessThan(1_000);
    const backAt: number[] = [];
    for (const socket of sockets) socket.once("connect", () => backAt.push(performance.now()));
    const second = await serve(port);
    try {
      await poll(() => backAt.length === PAGES, "all pages are back");
      expect(Math.max(...backAt) - Math.min(...backAt)).toBeGreaterThan(100);
    } finally {
      await second.close();
    }
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
});
