import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import { poll } from "../poll.ts";
import { destroyed } from "../support/destroyed.ts";
import { bootMs, commandMs, type MachineTrial } from "./machine-trial.ts";

/** What every driver lets one do in and with a guest that runs: commands, files, ports, its console. */
export function describeGuest(trial: MachineTrial): void {
  describe("its guest", () => {
    it("runs commands as root and as admin, who may sudo", async () => {
      expect(await trial.root("id", "-un")).toBe("root");
      const admin = { timeoutMs: commandMs, user: "admin" };
      expect(await trial.machine.place.exec(["sudo", "id", "-un"], admin)).toMatchObject({
        exitCode: 0,
        stdout: "root\n",
      });
      const result = await trial.machine.place.exec(
        ["sh", "-c", 'cat; echo "$WORD $1" >&2; exit 3', "sh", "$(id) a  b"],
        {
          ...admin,
          input: "grüße",
          env: { WORD: "it's" },
        },
      );
      expect(result).toEqual({ exitCode: 3, stdout: "grüße", stderr: "it's $(id) a  b\n" });
    });

    it("ends a command that prints more than it may", async () => {
      const endless = { timeoutMs: commandMs, maxOutputBytes: 1_000_000 };
      await expect(trial.machine.place.exec(["cat", "/dev/zero"], endless)).rejects.toMatchObject({
        code: "command_failed",
      });
    });

    it("kills a command at its deadline, and with its stream", async () => {
      const late = trial.machine.place.exec(["sleep", "4711"], { timeoutMs: 1_000 });
      await expect(late).rejects.toMatchObject({ code: "timed_out" });
      const stream = await trial.machine.place.stream(["sleep", "4711"], { user: "root" });
      stream.destroy();
      await poll(async () => {
        const found = await trial.machine.place.exec(["pgrep", "-x", "sleep", "-a"], {
          timeoutMs: commandMs,
        });
        return !found.stdout.includes("4711");
      }, "both are gone");
    });

    it("carries bytes both ways unharmed and half-closes", async () => {
      const sent = randomBytes(1024 * 1024);
      const stream = await trial.machine.place.stream(["cat"], { user: "admin" });
      stream.end(sent);
      expect((await buffer(stream)).equals(sent)).toBe(true);
      const failing = await trial.machine.place.stream(["sh", "-c", "echo wrong >&2; exit 4"], {
        user: "admin",
      });
      await expect(buffer(failing)).rejects.toThrow(/exited with 4: wrong/);
    });

    it("writes and reads files with their owner and mode", async () => {
      const content = randomBytes(200_000);
      const path = "/home/admin/a file";
      await trial.machine.place.writeFile(path, content, { mode: 0o640, owner: "admin" });
      expect(await trial.root("stat", "-c", "%U %a %s", path)).toBe("admin 640 200000");
      const read = await trial.machine.place.readFile(path, { maxBytes: 200_000, user: "admin" });
      expect(content.equals(read)).toBe(true);
      const options = { maxBytes: 1_000, user: "admin" } as const;
      await expect(trial.machine.place.readFile(path, options)).rejects.toMatchObject({
        code: "bad_request",
      });
      await expect(trial.machine.place.readFile("/none", options)).rejects.toMatchObject({
        code: "not_found",
      });
      await expect(trial.machine.place.readFile("/etc/shadow", options)).rejects.toMatchObject({
        code: "forbidden",
      });
    });

    it("reaches any TCP and UDP port of the guest by name from the network, and by `connect`", async () => {
      await trial.root(
        "sh",
        "-c",
        "nft insert rule inet filter input meta l4proto { tcp, udp } th dport 4711 accept",
      );
      const tcp = await listen(trial.machine, "SOCK_STREAM");
      expect(await trial.fromNeighbour("TCP:machine:4711", "tcp")).toMatchObject({ stdout: "heard tcp" });
      const stream = await trial.machine.connect(4711);
      stream.end("inside");
      expect(String(await buffer(stream))).toBe("heard inside");
      await destroyed(tcp);
      const udp = await listen(trial.machine, "SOCK_DGRAM");
      const asked = ["socat", "-t", "5", "-", "UDP:machine:4711"];
      await poll(async () => {
        const { stdout } = await trial.subject.engine.exec(trial.neighbour, asked, {
          timeoutMs: commandMs,
          input: "udp",
        });
        return stdout === "heard udp";
      }, "an answer by UDP, where a datagram may be lost");
      udp.destroy();
      await expect(trial.machine.connect(4711)).rejects.toMatchObject({
        code: "machine_failed",
        message: expect.stringContaining("connection refused"),
      });
    });

    it("lets the guest reach its neighbours by name", async () => {
      const server = await trial.subject.engine.stream(trial.neighbour, [
        "socat",
        "TCP-LISTEN:8080",
        "EXEC:echo hello",
      ]);
      await poll(async () => {
        const { stdout } = await trial.subject.engine.exec(trial.neighbour, ["ss", "-ltn"], {
          timeoutMs: commandMs,
        });
        return stdout.includes(":8080");
      }, "the neighbour listens");
      const ask = `import socket; print(socket.create_connection(("${trial.neighbour}", 8080), 30).recv(9).decode())`;
      expect(await trial.root("python3", "-c", ask)).toBe("hello");
      server.destroy();
      const unknown = await trial.machine.place.exec(["getent", "hosts", "no-such-name"], {
        timeoutMs: commandMs,
      });
      expect(unknown.exitCode).toBe(2);
    });

    it("gives streams to unix sockets of the guest", async () => {
      const server = await listen(trial.machine, "SOCK_STREAM", "/run/contract.sock");
      const stream = await trial.machine.connectSocket("/run/contract.sock");
      stream.end("socket");
      expect(String(await buffer(stream))).toBe("heard socket");
      server.destroy();
      await expect(trial.machine.connectSocket("/run/none.sock")).rejects.toMatchObject({
        code: "machine_failed",
      });
    });

    it("gives connections made from inside the guest, to what nobody else reaches", async () => {
      const server = await listen(trial.machine, "SOCK_STREAM");
      const stream = await trial.machine.connectFromInside("127.0.0.1", 4711);
      stream.end("inner");
      expect(String(await buffer(stream))).toBe("heard inner");
      server.destroy();
      await expect(trial.machine.connectFromInside("127.0.0.1", 4799)).rejects.toMatchObject({
        code: "machine_failed",
      });
    });

    it("shows the serial console from the start, to two viewers, and types into it", async () => {
      const first = watch(await trial.machine.openConsole());
      const second = watch(await trial.machine.openConsole());
      await poll(
        () => /Linux version/.test(first.text()) && /login: /.test(first.text()),
        "boot and login are seen",
        // The login prompt comes last in a boot, well after SSH.
        { timeoutMs: bootMs, pauseMs: 300 },
      );
      const before = first.text().length;
      second.stream.write("admin\n");
      await poll(() => /Password: /.test(first.text().slice(before)), "the guest asks for the password", {
        timeoutMs: commandMs,
      });
      await poll(() => /Password: /.test(second.text()), "the other viewer sees it too");
      first.stream.destroy();
      second.stream.destroy();
    });
  });
}

/** Answers everything on port 4711, or on a unix socket, with "heard …"; runs until the stream is destroyed. */
async function listen(machine: Machine, kind: "SOCK_STREAM" | "SOCK_DGRAM", path?: string): Promise<Duplex> {
  const program = `
import socket
server = socket.socket(socket.${path ? "AF_UNIX" : "AF_INET"}, socket.${kind})
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(${path ? JSON.stringify(path) : '("", 4711)'})
if server.type == socket.SOCK_STREAM: server.listen()
print("listening", flush=True)
while True:
    if server.type == socket.SOCK_STREAM:
        peer, _ = server.accept()
        peer.sendall(b"heard " + peer.makefile("rb").read())
        peer.close()
    else:
        message, peer = server.recvfrom(100)
        server.sendto(b"heard " + message, peer)
`;
  const stream = await machine.place.stream(["python3", "-c", program], { user: "root" });
  await new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("error", reject);
  });
  return stream;
}

function watch(stream: Duplex) {
  let text = "";
  stream.on("data", (chunk) => {
    text += String(chunk);
  });
  return { stream, text: () => text };
}
