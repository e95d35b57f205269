import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { expect, onTestFinished, test } from "vitest";
import { dockerCall } from "../../sandboxes/engine/docker-errors.ts";
import { openExec } from "../../sandboxes/engine/docker-exec.ts";

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
  const call = dockerCall("list containers", 200, (abortSignal) => docker.listContainers({ abortSignal }));
  call.catch(() => {});
  await once(await answering.promise, "close");
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
  const options = { stderrLimit: 1024, failOnExit: false, startTimeoutMs: 200 };
  await expect(openExec(docker, "one", ["true"], options)).rejects.toMatchObject({ code: "timed_out" });
  const socket = await starting.promise;
  socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  const said = Buffer.from("4321\n");
  socket.write(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, said.length]), said]));
  expect(await killed.promise).toContain("-4321");
});
