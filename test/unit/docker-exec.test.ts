import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { dockerCall } from "../../sandboxes/engine/docker-errors.ts";
import { openExec } from "../../sandboxes/engine/docker-exec.ts";

const DEADLINE_MS = 1_000;

// A deadline is over when the stand-in for Docker has what it waits for, not on a busy host before.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A Docker of this much; it listens on a unix socket as the real one does. */
async function startDocker(prepare: (server: Server) => void): Promise<Docker> {
  const dir = await mkdtemp(join(tmpdir(), "fb-docker-"));
  const server = createServer();
  prepare(server);
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  const socketPath = join(dir, "docker.sock");
  server.listen(socketPath);
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });
  return new Docker({ socketPath, host: "" });
}

test("a call that passes its deadline hangs up on an answer that never ends", async () => {
  const answering = Promise.withResolvers<ServerResponse>();
  const docker = await startDocker((server) =>
    server.on("request", (_, response) => {
      response.write("[");
      answering.resolve(response);
    }),
  );
  const list = (abortSignal: AbortSignal) => docker.listContainers({ abortSignal });
  const call = dockerCall("list containers", DEADLINE_MS, list);
  call.catch(() => {});
  const answer = await answering.promise;
  vi.advanceTimersByTime(DEADLINE_MS);
  await once(answer, "close");
  await expect(call).rejects.toMatchObject({ code: "timed_out" });
});

test("a command that starts after its deadline is killed", async () => {
  const starting = Promise.withResolvers<Socket>();
  const killed = Promise.withResolvers<string>();
  const docker = await startDocker((server) => {
    server.on("upgrade", (_, socket: Socket) => starting.resolve(socket));
    server.on("request", (request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        response.setHeader("content-type", "application/json");
        if (body.includes("kill -s KILL")) killed.resolve(body);
        if (request.url?.endsWith("/exec")) response.writeHead(201).end('{"Id":"e1"}');
        else if (request.url?.endsWith("/json")) response.end('{"Running":true}');
        else response.end();
      });
    });
  });
  const options = { stderrLimit: 1024, failOnExit: false, startTimeoutMs: DEADLINE_MS };
  const opening = openExec(docker, "one", ["true"], options);
  opening.catch(() => {});
  const socket = await starting.promise;
  vi.advanceTimersByTime(DEADLINE_MS);
  await expect(opening).rejects.toMatchObject({ code: "timed_out" });
  socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  const said = Buffer.from("4321\n");
  socket.write(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, said.length]), said]));
  expect(await killed.promise).toContain("-4321");
});
