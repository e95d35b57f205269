import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import ssh2, { type Connection, type ServerChannel } from "ssh2";
import { expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import { SshConnection } from "../../sandboxes/machine/ssh-connection.ts";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";

const keys = makeSshKeys("test");
const options = { title: "`true` in the machine", failOnExit: false };

/** A guest's sshd that lets anybody in. */
async function startGuest(onReady: (connection: Connection) => void) {
  const here: Socket[] = [];
  const there: Socket[] = [];
  const sshd = new ssh2.Server({ hostKeys: [makeSshKeys("host").private] }, (connection) => {
    // Connections end roughly here.
    connection.on("error", () => {});
    connection.on("authentication", (context) => context.accept());
    connection.on("ready", () => onReady(connection));
  });
  const server = createServer((socket) => {
    there.push(socket);
    sshd.injectSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    here,
    there,
    async dial() {
      const socket = createConnection((server.address() as AddressInfo).port, "127.0.0.1");
      here.push(socket);
      await once(socket, "connect");
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of there) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Has every command say its id and `output`. */
function onCommand(connection: Connection, then: (channel: ServerChannel) => void): void {
  connection.on("session", (accept) =>
    accept().on("exec", (acceptCommand) => {
      const channel = acceptCommand();
      channel.stderr.write("4321\n");
      channel.write("output");
      then(channel);
    }),
  );
}

function end(channel: ServerChannel): void {
  channel.exit(0);
  channel.end();
}

test("a connection that failed and is long in closing is made anew, and what ran over it hurts nobody", async () => {
  await using guest = await startGuest((connection) => {
    const isFirst = guest.there.length === 1;
    onCommand(connection, (channel) => !isFirst && end(channel));
  });
  const connection = new SshConnection({ ...guest, username: "root", privateKey: keys.private });
  const stream = await connection.command("sleep 60", options);
  await once(stream, "readable");
  const [here, there] = [guest.here[0], guest.there[0]];
  if (!here || !there) throw new Error("nobody has dialled");
  const close = Promise.withResolvers<void>();
  here._destroy = (error, done) => void close.promise.then(() => done(error));
  there.write(new Uint8Array(64).fill(0xff));
  await once(here, "data");
  stream.destroy();
  const again = await connection.command("true", options);
  expect(String(await again.toArray())).toBe("output");
  expect(guest.here).toHaveLength(2);
  close.resolve();
  connection.close();
});

test("a key that can't be read is told as a failed login, and its connection is closed", async () => {
  await using guest = await startGuest(() => {});
  const connection = new SshConnection({ ...guest, username: "root", privateKey: "no key" });
  await expect(connection.login()).rejects.toMatchObject({
    code: "machine_failed",
    message: expect.stringContaining("privateKey"),
  });
  expect(guest.here.map((socket) => socket.destroyed)).toEqual([true]);
});

test("a guest that lets in and then opens no channel is given up, and one that opens late is closed", async () => {
  const opening = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  await using guest = await startGuest((client) => {
    client.on("session", (accept) => {
      void opening.promise.then(() => {
        const session = accept();
        session.on("exec", (acceptCommand, _, { command }) => {
          const channel = acceptCommand();
          channel.stderr.write("4321\n");
          if (command === "kill -s KILL -- -4321") closed.resolve();
        });
      });
    });
  });
  const deps = { ...guest, username: "root", privateKey: keys.private, channelTimeoutMs: 50 } as const;
  const connection = new SshConnection(deps);
  await expect(connection.command("true", options)).rejects.toMatchObject({ code: "timed_out" });
  expect(guest.here).toHaveLength(1);
  opening.resolve();
  await closed.promise;
  connection.close();
});

test("hanging up on a machine that is going releases who waits for a channel", async () => {
  const asked = Promise.withResolvers<void>();
  await using guest = await startGuest((client) => client.on("session", () => asked.resolve()));
  let isGone = false;
  const dial = async () => {
    if (isGone) throw new LabError("not_found", "no such container");
    return await guest.dial();
  };
  const connection = new SshConnection({ dial, username: "root", privateKey: keys.private });
  const command = connection.command("true", options);
  await asked.promise;
  isGone = true;
  connection.close();
  await expect(command).rejects.toMatchObject({ code: "not_found" });
});
