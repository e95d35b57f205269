import { createHash } from "node:crypto";
import { glob, mkdir, readFile, rename, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "socket.io";
import { build } from "vite";
import { toLabError } from "../../sandboxes/errors.ts";
import { errorBody } from "../../server/errors.ts";
import type { ClientToServer, ServerToClient } from "../../server/protocol/socket.ts";
import type { TerminalHub, TerminalViewer } from "../../server/terminal/hub.ts";

/**
 * What the page may load, as a strict lab server would say. xterm.js sizes its lines by style elements of its own, so
 * `style-src` needs 'unsafe-inline'; scripts need nothing.
 */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws:; img-src 'self'; font-src 'self'";

export interface TerminalServer extends AsyncDisposable {
  url: string;
  /** Breaks every page's connection, as a network that went away. */
  disconnectPages(): void;
}

/** The hub behind a socket.io server and a page with one terminal. An attempt's id is its sandbox's. */
export async function serveTerminals(hub: TerminalHub, port = 0): Promise<TerminalServer> {
  const page = await buildPage();
  const http = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const file = path === "/" ? "/index.html" : path;
    const type = { html: "text/html", js: "text/javascript", css: "text/css" }[file.split(".").at(-1) ?? ""];
    const body = await readFile(join(page, file)).catch(() => undefined);
    response.writeHead(body ? 200 : 404, {
      "content-type": type ?? "application/octet-stream",
      "content-security-policy": POLICY,
    });
    response.end(body);
  });
  const io = new Server<ClientToServer, ServerToClient>(http, {
    transports: ["websocket"],
    serveClient: false,
    perMessageDeflate: false,
  });
  io.on("connection", (socket) => {
    const viewer: TerminalViewer = {
      id: socket.id,
      mayWrite: true,
      output: (...args) => socket.emit("terminal:output", ...args),
      snapshot: (...args) => socket.emit("terminal:snapshot", ...args),
      size: (...args) => socket.emit("terminal:size", ...args),
      exit: (...args) => socket.emit("terminal:exit", ...args),
      lost: (id, reason) => socket.emit("terminal:lost", id, errorBody(reason)),
    };
    socket.on("terminal:open", (body, ack) => {
      hub.open(body.attemptId, body, viewer).then(
        (value) => ack({ ok: true, value }),
        (error: unknown) => ack({ ok: false, error: errorBody(toLabError(error)) }),
      );
    });
    socket.on("terminal:input", ({ terminalId, data }, ack) => {
      void hub.input(terminalId, socket.id, data).then(() => ack?.());
    });
    socket.on("terminal:resize", ({ terminalId, cols, rows }) =>
      hub.resize(terminalId, socket.id, cols, rows),
    );
    socket.on("terminal:ack", ({ terminalId, offset }) => hub.ack(terminalId, socket.id, offset));
    socket.on("terminal:write", ({ terminalId }, ack) => {
      hub.write(terminalId, socket.id);
      ack({ ok: true, value: null });
    });
    socket.on("terminal:close", ({ terminalId }) => hub.close(terminalId, socket.id));
    socket.on("disconnect", () => hub.leave(socket.id));
  });
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    // Not `disconnectSockets`: that tells the page not to come back.
    disconnectPages: () => {
      for (const socket of io.sockets.sockets.values()) socket.conn.transport.close();
    },
    [Symbol.asyncDispose]: async () => {
      await io.close();
    },
  };
}

/** Builds the page once for its inputs; the folder it gives is shared by all tests. */
async function buildPage(): Promise<string> {
  const root = join(import.meta.dirname, "terminal-page");
  const repository = join(import.meta.dirname, "../..");
  const hash = createHash("sha256");
  const inputs = [
    "client/connection/socket.ts",
    "client/failure.ts",
    "client/terminal/*",
    "server/protocol/*",
    "test/support/terminal-page/*",
    "package-lock.json",
  ];
  for await (const file of glob(inputs, { cwd: repository }))
    hash.update(await readFile(join(repository, file)));
  const outDir = join(tmpdir(), `footbridge-terminal-page-${hash.digest("hex").slice(0, 16)}`);
  if (await readFile(join(outDir, "index.html")).catch(() => undefined)) return outDir;
  const fresh = `${outDir}-${process.pid}`;
  await mkdir(fresh, { recursive: true });
  await build({
    root,
    configFile: false,
    base: "./",
    logLevel: "warn",
    build: { outDir: fresh, emptyOutDir: true, chunkSizeWarningLimit: 2_000 },
  });
  await rename(fresh, outDir).catch(() => rm(fresh, { recursive: true, force: true }));
  return outDir;
}
