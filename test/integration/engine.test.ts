import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { describeEngine } from "../contract/engine-contract.ts";
import { builtImage } from "../support/built-image.ts";

describeEngine("DockerEngine", async () => ({
  engine: new DockerEngine(),
  image: await builtImage("machine"),
}));

describe("DockerEngine when Docker goes away", { timeout: 120_000 }, () => {
  const socketPath = join(tmpdir(), `fb-${randomUUID().slice(0, 8)}.sock`);
  const name = `fb-${randomUUID().slice(0, 8)}-away`;
  const engine = new DockerEngine({ dockerHost: `unix://${socketPath}` });
  let docker: Door;

  beforeAll(async () => {
    docker = await openDoor(socketPath);
    await engine.runContainer({
      name,
      image: await builtImage("machine"),
      entrypoint: ["sleep", "600"],
      labels: {},
      network: { name: "none" },
      capabilities: [],
    });
  });
  afterAll(async () => {
    await engine.removeContainer(name);
    await engine[Symbol.asyncDispose]();
    await docker.shut();
    await rm(socketPath, { force: true });
  });

  it("says so to whoever is connected, and works again when it is back", async () => {
    const stream = await engine.stream(name, ["cat"]);
    const read = buffer(stream);
    const events = (async () => {
      for await (const _ of engine.events({}, new AbortController().signal));
    })();
    const told = Promise.all([
      expect(read).rejects.toMatchObject({ code: "docker_unavailable" }),
      expect(events).rejects.toMatchObject({ code: "docker_unavailable" }),
    ]);
    await docker.shut();
    await told;
    await expect(engine.info()).rejects.toMatchObject({
      code: "docker_unavailable",
      hint: expect.stringContaining("docker info"),
    });
    await expect(engine.stream(name, ["true"])).rejects.toMatchObject({ code: "docker_unavailable" });

    docker = await openDoor(socketPath);
    expect(await engine.exec(name, ["echo", "back"], { timeoutMs: 20_000 })).toMatchObject({
      stdout: "back\n",
    });
  });
});

interface Door {
  shut(): Promise<void>;
}

/** A way to the real Docker that can be shut, as a restart of Docker shuts its own. */
async function openDoor(path: string): Promise<Door> {
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (visitor) => {
    const docker = connect({ path: "/var/run/docker.sock", allowHalfOpen: true });
    for (const socket of [visitor, docker]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    visitor.pipe(docker).pipe(visitor);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    async shut() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
