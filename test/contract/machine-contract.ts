import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import type { Machine, MachineDriver, MachineSpec, MachineState } from "../../sandboxes/machine/machine.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { poll } from "../poll.ts";
import { destroyed } from "../support/destroyed.ts";

export interface MachineUnderTest {
  engine: Engine;
  /** A driver as a server that has just started has it; several may exist. */
  makeDriver(): MachineDriver;
  /** The network exists; nothing else does. */
  spec: MachineSpec;
  /** The container with the machine, whose stop is what a restart of Docker looks like. */
  container: string;
  /** Ends the hypervisor: without a word, or as a fault of its own would. */
  killHypervisor(signal: "KILL" | "ABRT"): Promise<void>;
  /** The kernel's word on the hypervisor's process: `/proc/<pid>/status`. */
  hypervisorStatus(): Promise<string>;
  /** Names of everything that belongs to the machine and is still there. */
  leftovers(): Promise<string[]>;
}

const bootMs = 300_000;
const commandMs = 60_000;

/** What every driver of machines must do. One machine goes through it all, in order: each boot takes its time. */
export function describeMachine(name: string, make: () => Promise<MachineUnderTest & AsyncDisposable>): void {
  describe(`${name} as a machine driver`, { timeout: 2 * bootMs + 60_000 }, () => {
    let test: MachineUnderTest & AsyncDisposable;
    let driver: MachineDriver;
    let machine: Machine;
    let neighbour: string;
    const events: ProgressEvent[] = [];
    const untilLate = () => AbortSignal.timeout(bootMs);
    const power = async () => (await machine.inspect()).state.power;
    /** Looks when the machine tells of a change, and at no other time. */
    const untilPower = async (wanted: MachineState["power"]) => {
      const done = new AbortController();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => void power().then((is) => is === wanted && resolve(), reject);
      machine.onChange(look, done.signal);
      const late = setTimeout(() => reject(new Error(`it did not become ${wanted}`)), bootMs);
      look();
      await promise.finally(() => {
        clearTimeout(late);
        done.abort();
      });
    };
    const root = async (...argv: string[]) => {
      const result = await machine.place.exec(argv, { timeoutMs: commandMs, user: "root" });
      expect(result).toMatchObject({ exitCode: 0 });
      return result.stdout.trim();
    };
    const fromNeighbour = (address: string, input: string) =>
      test.engine.exec(neighbour, ["socat", "-t", "60", "-", address], { timeoutMs: commandMs, input });

    beforeAll(async () => {
      test = await make();
      driver = test.makeDriver();
      machine = await driver.create(test.spec, (event) => events.push(event), untilLate());
      neighbour = `fb-${test.spec.sandboxId}-neighbour`;
      await test.engine.runContainer({
        name: neighbour,
        image: test.spec.image,
        entrypoint: ["sleep", "3600"],
        labels: test.spec.labels,
        network: { name: test.spec.network },
        capabilities: [],
      });
    });

    afterAll(async () => {
      if (neighbour) await test.engine.removeContainer(neighbour);
      await machine?.destroy();
      await driver?.[Symbol.asyncDispose]();
      await test?.[Symbol.asyncDispose]();
    });

    it("tells the steps of its bring-up and is on when it says so", async () => {
      const told = events
        .filter(({ state }) => state !== "progress")
        .map(({ step, state }) => `${step} ${state}`);
      expect(told).toEqual(
        ["start VM", "boot guest", "log in"].flatMap((step) => [`${step} started`, `${step} done`]),
      );
      expect(events.some(({ step, message }) => step === "boot guest" && message)).toBe(true);
      expect(await machine.inspect()).toEqual({
        state: { power: "on" },
        accelerator: test.spec.accelerator,
        hardware: test.spec.hardware,
        pendingHardware: undefined,
      });
    });

    it("gives the hypervisor no privilege: not root, no capability, filtered system calls", async () => {
      const status = await test.hypervisorStatus();
      expect(status).toMatch(/^Uid:\s*[1-9]/m);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        expect(status).toMatch(new RegExp(`^${set}:\\s*0+$`, "m"));
      expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
      expect(status).toMatch(/^Seccomp:\s*2$/m);
    });

    it("runs commands as root and as admin, who may sudo", async () => {
      expect(await root("id", "-un")).toBe("root");
      const admin = { timeoutMs: commandMs, user: "admin" };
      expect(await machine.place.exec(["sudo", "id", "-un"], admin)).toMatchObject({
        exitCode: 0,
        stdout: "root\n",
      });
      const result = await machine.place.exec(
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
      await expect(machine.place.exec(["cat", "/dev/zero"], endless)).rejects.toMatchObject({
        code: "command_failed",
      });
    });

    it("kills a command at its deadline, and with its stream", async () => {
      const late = machine.place.exec(["sleep", "4711"], { timeoutMs: 1_000 });
      await expect(late).rejects.toMatchObject({ code: "timed_out" });
      const stream = await machine.place.stream(["sleep", "4711"], { user: "root" });
      stream.destroy();
      await poll(async () => {
        const found = await machine.place.exec(["pgrep", "-x", "sleep", "-a"], { timeoutMs: commandMs });
        return !found.stdout.includes("4711");
      }, "both are gone");
    });

    it("carries bytes both ways unharmed and half-closes", async () => {
      const sent = randomBytes(1024 * 1024);
      const stream = await machine.place.stream(["cat"], { user: "admin" });
      stream.end(sent);
      expect((await buffer(stream)).equals(sent)).toBe(true);
      const failing = await machine.place.stream(["sh", "-c", "echo wrong >&2; exit 4"], { user: "admin" });
      await expect(buffer(failing)).rejects.toThrow(/exited with 4: wrong/);
    });

    it("writes and reads files with their owner and mode", async () => {
      const content = randomBytes(200_000);
      const path = "/home/admin/a file";
      await machine.place.writeFile(path, content, { mode: 0o640, owner: "admin" });
      expect(await root("stat", "-c", "%U %a %s", path)).toBe("admin 640 200000");
      const read = await machine.place.readFile(path, { maxBytes: 200_000, user: "admin" });
      expect(content.equals(read)).toBe(true);
      const options = { maxBytes: 1_000, user: "admin" } as const;
      await expect(machine.place.readFile(path, options)).rejects.toMatchObject({ code: "bad_request" });
      await expect(machine.place.readFile("/none", options)).rejects.toMatchObject({ code: "not_found" });
      await expect(machine.place.readFile("/etc/shadow", options)).rejects.toMatchObject({
        code: "forbidden",
      });
    });

    it("reaches any TCP and UDP port of the guest by name from the network, and by `connect`", async () => {
      await root(
        "sh",
        "-c",
        "nft insert rule inet filter input meta l4proto { tcp, udp } th dport 4711 accept",
      );
      const tcp = await listen(machine, "SOCK_STREAM");
      expect(await fromNeighbour("TCP:machine:4711", "tcp")).toMatchObject({ stdout: "heard tcp" });
      const stream = await machine.connect(4711);
      stream.end("inside");
      expect(String(await buffer(stream))).toBe("heard inside");
      await destroyed(tcp);
      const udp = await listen(machine, "SOCK_DGRAM");
      const asked = ["socat", "-t", "5", "-", "UDP:machine:4711"];
      await poll(async () => {
        const { stdout } = await test.engine.exec(neighbour, asked, { timeoutMs: commandMs, input: "udp" });
        return stdout === "heard udp";
      }, "an answer by UDP, where a datagram may be lost");
      udp.destroy();
      await expect(machine.connect(4711)).rejects.toMatchObject({
        code: "machine_failed",
        message: expect.stringContaining("connection refused"),
      });
    });

    it("lets the guest reach its neighbours by name", async () => {
      const server = await test.engine.stream(neighbour, ["socat", "TCP-LISTEN:8080", "EXEC:echo hello"]);
      await poll(async () => {
        const { stdout } = await test.engine.exec(neighbour, ["ss", "-ltn"], { timeoutMs: commandMs });
        return stdout.includes(":8080");
      }, "the neighbour listens");
      const ask = `import socket; print(socket.create_connection(("${neighbour}", 8080), 30).recv(9).decode())`;
      expect(await root("python3", "-c", ask)).toBe("hello");
      server.destroy();
      const unknown = await machine.place.exec(["getent", "hosts", "no-such-name"], { timeoutMs: commandMs });
      expect(unknown.exitCode).toBe(2);
    });

    it("gives streams to unix sockets of the guest", async () => {
      const server = await listen(machine, "SOCK_STREAM", "/run/contract.sock");
      const stream = await machine.connectSocket("/run/contract.sock");
      stream.end("socket");
      expect(String(await buffer(stream))).toBe("heard socket");
      server.destroy();
      await expect(machine.connectSocket("/run/none.sock")).rejects.toMatchObject({ code: "machine_failed" });
    });

    it("gives connections made from inside the guest, to what nobody else reaches", async () => {
      const server = await listen(machine, "SOCK_STREAM");
      const stream = await machine.connectFromInside("127.0.0.1", 4711);
      stream.end("inner");
      expect(String(await buffer(stream))).toBe("heard inner");
      server.destroy();
      await expect(machine.connectFromInside("127.0.0.1", 4799)).rejects.toMatchObject({
        code: "machine_failed",
      });
    });

    it("shows the serial console from the start, to two viewers, and types into it", async () => {
      const first = watch(await machine.openConsole());
      const second = watch(await machine.openConsole());
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

    it("is off when the guest powers itself off, and applies a resize when it is powered on", async () => {
      await root("touch", "/kept");
      await expect(machine.resize({ ...test.spec.hardware, dataDiskGib: 1 })).rejects.toMatchObject({
        code: "bad_request",
      });
      const bigger = { cpus: 1, memoryMib: 1536, dataDiskGib: test.spec.hardware.dataDiskGib + 1 };
      await machine.resize(bigger);
      expect(await machine.inspect()).toMatchObject({
        hardware: test.spec.hardware,
        pendingHardware: bigger,
      });
      const off = untilPower("off");
      // Its connection may go before it is told how it ended.
      await root("systemctl", "poweroff").catch(() => {});
      await off;
      await expect(machine.place.exec(["true"], { timeoutMs: commandMs })).rejects.toMatchObject({
        code: "machine_failed",
      });
      await expect(machine.hardReset(untilLate())).rejects.toMatchObject({ code: "conflict" });

      await machine.start(() => {}, untilLate());
      expect(await machine.inspect()).toMatchObject({
        state: { power: "on" },
        hardware: bigger,
        pendingHardware: undefined,
      });
      expect(await root("nproc")).toBe("1");
      expect(Number(await root("awk", "/MemTotal/ { print $2 }", "/proc/meminfo"))).toBeLessThan(1536 * 1024);
      expect(await root("lsblk", "-bdno", "SIZE", "/dev/vdb")).toBe(String(bigger.dataDiskGib * 1024 ** 3));
      await root("test", "-e", "/kept");
    });

    it("says that the hypervisor was killed, and powers on again, though it crashes in the boot", async () => {
      const broken = untilPower("broken");
      await test.killHypervisor("KILL");
      await broken;
      expect((await machine.inspect()).state).toMatchObject({
        power: "broken",
        reason: expect.stringContaining("SIGKILL"),
        remedy: expect.stringContaining("power it on"),
      });
      await machine
        .resize(test.spec.hardware)
        .catch((error) => expect(error).toMatchObject({ code: "bad_request" }));
      const started = machine.start(() => {}, untilLate());
      await poll(async () => (await power()) === "starting", "it starts", { pauseMs: 300 });
      await test.killHypervisor("ABRT");
      await started;
      expect(await power()).toBe("on");
      await root("test", "-e", "/kept");
    });

    it("comes back from the reset button with its disk", async () => {
      const boot = await root("cat", "/proc/sys/kernel/random/boot_id");
      await root("sync");
      const reset = machine.hardReset(untilLate());
      await poll(async () => (await power()) === "starting", "it starts anew", { pauseMs: 300 });
      await reset;
      expect(await power()).toBe("on");
      expect(await root("cat", "/proc/sys/kernel/random/boot_id")).not.toBe(boot);
      await root("test", "-e", "/kept");
    });

    it("is taken over by a new server while it boots after a restart of Docker", async () => {
      await root("sh", "-c", "echo mine >/not-synced");
      // The guest has the time to write what it has in memory.
      await test.engine.stopContainer(test.container, bootMs);
      expect((await machine.inspect()).state).toMatchObject({
        power: "broken",
        reason: expect.stringContaining("Docker"),
      });
      await machine.start(() => {}, untilLate());
      await driver[Symbol.asyncDispose]();

      driver = test.makeDriver();
      const adopted = await driver.adopt(test.spec.sandboxId);
      if (!adopted) throw new Error("not adopted");
      machine = adopted;
      expect((await machine.inspect()).hardware.dataDiskGib).toBe(test.spec.hardware.dataDiskGib + 1);
      expect(await power()).toBe("on");
      expect(await root("cat", "/not-synced")).toBe("mine");
      expect(await fromNeighbour("TCP:machine:22", "")).toMatchObject({
        stdout: expect.stringMatching(/^SSH-/),
      });
      expect(await driver.adopt("none")).toBeUndefined();
    });

    it("sees the guest through a reboot of its own", async () => {
      const starting = untilPower("starting");
      await root("systemctl", "reboot").catch(() => {});
      await starting;
      await untilPower("on");
      await root("test", "-e", "/kept");
    });

    it("is stopped by its power button, and again without an error", async () => {
      await machine.stop(bootMs, untilLate());
      expect(await power()).toBe("off");
      await machine.stop(bootMs, untilLate());
    });

    it("leaves nothing behind, be it destroyed or interrupted in the making", async () => {
      await machine.destroy();
      await machine.destroy();
      expect(await test.leftovers()).toEqual([]);
      const controller = new AbortController();
      const report = ({ step }: ProgressEvent) => step === "boot guest" && controller.abort();
      await expect(driver.create(test.spec, report, controller.signal)).rejects.toMatchObject({
        code: "aborted",
      });
      expect(await test.leftovers()).toEqual([]);
      const spec = { ...test.spec, image: "fb-no/such:image" };
      await expect(driver.create(spec, () => {}, untilLate())).rejects.toMatchObject({ code: "not_found" });
      expect(await test.leftovers()).toEqual([]);
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
