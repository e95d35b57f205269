import { randomBytes, randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ContainerSpec, Engine } from "../../sandboxes/engine/engine.ts";
import { POLL_MS, poll } from "../poll.ts";
import { destroyed } from "../support/destroyed.ts";
import { freeSubnet } from "../support/free-subnet.ts";

export interface EngineUnderTest {
  engine: Engine;
  /** An image with sh, cat, sleep, ps and ip. */
  image: string;
}

/** What every engine must do, tried on a real one. */
export function describeEngine(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`${name} as an engine`, { timeout: 2 * POLL_MS }, () => {
    const unique = `fb-${randomUUID().slice(0, 8)}`;
    const labels = { "footbridge.test": unique };
    let test: EngineUnderTest;
    let subnet: string;
    const spec = (name: string, more: Partial<ContainerSpec> = {}): ContainerSpec => ({
      name: `${unique}-${name}`,
      image: test.image,
      entrypoint: ["sleep", "600"],
      labels,
      network: { name: unique, aliases: [name] },
      capabilities: [],
      ...more,
    });
    const one = `${unique}-one`;
    const processes = async (pattern: string) => {
      const { stdout } = await test.engine.exec(one, ["ps", "-eo", "args"], { timeoutMs: 20_000 });
      return stdout.split("\n").filter((line) => line.startsWith(pattern)).length;
    };

    beforeAll(async () => {
      test = await make();
      subnet = await freeSubnet(test.engine);
      await test.engine.createNetwork({ name: unique, subnet, labels, bridge: unique });
      await test.engine.runContainer(
        spec("one", {
          hostname: "one",
          volumes: [{ name: `${unique}-volume`, path: "/kept" }],
          limits: { memoryMib: 128, cpus: 1, pids: 100 },
        }),
      );
    }, 120_000);

    afterAll(async () => {
      if (!test) return;
      for (const { name } of await test.engine.listContainers(labels))
        await test.engine.removeContainer(name);
      await test.engine.removeNetwork(unique);
      await test.engine[Symbol.asyncDispose]();
    }, 60_000);

    it("tells what the endpoint has", async () => {
      const info = await test.engine.info();
      expect(info.cpus).toBeGreaterThan(0);
      expect(info.memoryMib).toBeGreaterThan(500);
      expect(info.version).toMatch(/^\d+\./);
      expect(info.dataRoot).toMatch(/^\//);
    });

    it("finds networks and containers by label, and their addresses", async () => {
      expect(await test.engine.listNetworks(labels)).toMatchObject([{ name: unique, subnet }]);
      const [state] = await test.engine.listContainers(labels);
      expect(state).toMatchObject({ name: one, running: true, exitCode: undefined, oomKilled: false });
      expect(state?.addresses[unique]).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      expect(state?.startedAt?.getTime()).toBeGreaterThan(Date.now() - 600_000);
      expect(await test.engine.inspectContainer(`${unique}-none`)).toBeUndefined();
    });

    it("runs a command: exit code, both outputs, input, environment", async () => {
      const result = await test.engine.exec(one, ["sh", "-c", 'cat; echo "$WORD" >&2; exit 3'], {
        timeoutMs: 20_000,
        input: "grüße",
        env: { WORD: "it's" },
      });
      expect(result).toEqual({ exitCode: 3, stdout: "grüße", stderr: "it's\n" });
    });

    it("takes arguments as they are, never as shell text", async () => {
      const { stdout } = await test.engine.exec(one, ["printf", "%s|", "$(id)", "a b", "*"], {
        timeoutMs: 20_000,
      });
      expect(stdout).toBe("$(id)|a b|*|");
    });

    it("gives containers no capability and no way to new privileges", async () => {
      const { stdout } = await test.engine.exec(one, ["cat", "/proc/1/status"], { timeoutMs: 20_000 });
      expect(stdout).toMatch(/^CapEff:\s*0+$/m);
      expect(stdout).toMatch(/^CapBnd:\s*0+$/m);
      expect(stdout).toMatch(/^NoNewPrivs:\s*1$/m);
    });

    it("ends a command that prints more than it may", async () => {
      const endless = { timeoutMs: 60_000, maxOutputBytes: 1_000_000 };
      await expect(test.engine.exec(one, ["cat", "/dev/zero"], endless)).rejects.toMatchObject({
        code: "command_failed",
        message: expect.stringContaining("more than 1000000 bytes"),
      });
    });

    it("kills a command that passes its deadline or is interrupted", async () => {
      await expect(test.engine.exec(one, ["sleep", "4711"], { timeoutMs: 500 })).rejects.toMatchObject({
        code: "timed_out",
      });
      const controller = new AbortController();
      const waiting = test.engine.exec(one, ["sleep", "4711"], {
        timeoutMs: 60_000,
        signal: controller.signal,
      });
      await poll(async () => (await processes("sleep 4711")) === 1, "the command runs");
      controller.abort();
      await expect(waiting).rejects.toMatchObject({ code: "aborted" });
      await poll(async () => (await processes("sleep 4711")) === 0, "both commands are gone");
    });

    it("carries 5 MB both ways unharmed and half-closes", async () => {
      const sent = randomBytes(5 * 1024 * 1024);
      const stream = await test.engine.stream(one, ["cat"]);
      stream.end(sent);
      const received = await buffer(stream);
      expect(received.equals(sent)).toBe(true);
    });

    it("holds a writer back until the reader reads", async () => {
      const stream = await test.engine.stream(one, ["sh", "-c", "head -c 20000000 /dev/zero"]);
      await new Promise((resolve) => stream.once("readable", resolve));
      expect(stream.readableLength).toBeLessThan(1_000_000);
      let bytes = 0;
      for await (const chunk of stream) bytes += chunk.length;
      expect(bytes).toBe(20_000_000);
    });

    it("keeps standard error out of the stream and gives it as the error of a failed process", async () => {
      const stream = await test.engine.stream(one, ["sh", "-c", "echo out; echo wrong >&2; exit 4"]);
      let read = "";
      stream.on("data", (chunk) => {
        read += String(chunk);
      });
      const error = await new Promise((resolve) => stream.once("error", resolve));
      expect(error).toMatchObject({ code: "command_failed", message: expect.stringContaining("wrong") });
      expect(read).toBe("out\n");
    });

    it("kills the process when the stream is destroyed", async () => {
      const streams = await Promise.all([
        test.engine.stream(one, ["sleep", "4712"]),
        test.engine.stream(one, ["sh", "-c", "sleep 4712; true"]),
      ]);
      await poll(async () => (await processes("sleep 4712")) === 2, "both run");
      for (const stream of streams) await destroyed(stream);
      // What the killed shell had started dies on its own.
      await poll(async () => (await processes("sleep 4712")) === 0, "both are gone");
    });

    it("says what is missing or in the way", async () => {
      const nowhere = test.engine.exec(`${unique}-none`, ["true"], { timeoutMs: 20_000 });
      await expect(nowhere).rejects.toMatchObject({ code: "not_found" });
      await expect(test.engine.startContainer(`${unique}-none`)).rejects.toMatchObject({ code: "not_found" });
      await expect(test.engine.runContainer(spec("one"))).rejects.toMatchObject({ code: "conflict" });
      await expect(
        test.engine.runContainer(spec("two", { image: "fb-no/such:image" })),
      ).rejects.toMatchObject({
        code: "not_found",
      });
      await expect(test.engine.runContainer(spec("two", { entrypoint: ["/no/such"] }))).rejects.toThrow(
        /no such/,
      );
      expect(await test.engine.inspectContainer(`${unique}-two`)).toBeUndefined();
      const failed = await test.engine.exec(one, ["/no/such"], { timeoutMs: 20_000 });
      expect(failed).toMatchObject({ exitCode: 127, stderr: expect.stringContaining("not found") });
    });

    it("lets containers find each other by alias, and share a network namespace", async () => {
      await test.engine.runContainer(spec("two"));
      const hosts = await test.engine.exec(`${unique}-two`, ["getent", "hosts", "one"], {
        timeoutMs: 20_000,
      });
      const address = (await test.engine.inspectContainer(one))?.addresses[unique];
      expect(hosts.stdout).toContain(address);
      await test.engine.runContainer(spec("guest", { joinNetworkOf: one, capabilities: ["NET_ADMIN"] }));
      const shared = await test.engine.exec(`${unique}-guest`, ["ip", "-4", "-br", "address"], {
        timeoutMs: 20_000,
      });
      expect(shared.stdout).toContain(address);
      await test.engine.removeContainer(`${unique}-two`);
      await test.engine.removeContainer(`${unique}-guest`);
    });

    it("keeps volumes over a stop and removes them with the container", async () => {
      await test.engine.exec(one, ["touch", "/kept/file"], { timeoutMs: 20_000 });
      await test.engine.stopContainer(one, 0);
      expect(await test.engine.inspectContainer(one)).toMatchObject({ running: false, exitCode: 137 });
      await test.engine.stopContainer(one, 0);
      await expect(test.engine.exec(one, ["true"], { timeoutMs: 20_000 })).rejects.toMatchObject({
        code: "conflict",
      });
      await test.engine.startContainer(one);
      expect((await test.engine.exec(one, ["ls", "/kept"], { timeoutMs: 20_000 })).stdout).toBe("file\n");
    });

    it("measures and limits a running container", async () => {
      await test.engine.limitContainer(one, { memoryMib: 256, cpus: 0.5 });
      const busy = await test.engine.stream(one, ["sh", "-c", "while :; do :; done"]);
      let cpus = 0;
      const burns = async () => {
        ({ cpus } = await test.engine.usage(one));
        return cpus > 0.05;
      };
      // Of a second, since Docker limits each tenth of one: two of those may fall into a shorter time.
      await poll(burns, "it burns", { pauseMs: 1_000 });
      expect(cpus).toBeLessThan(0.75);
      const { memoryMib } = await test.engine.usage(one);
      expect(memoryMib).toBeGreaterThan(0);
      expect(memoryMib).toBeLessThan(256);
      await destroyed(busy);
    });

    it("measures the memory a container holds, without what is only page cache", async () => {
      const before = await test.engine.heldMib(one);
      const more = async () => (await test.engine.heldMib(one)) - before;
      // tail can't say what the last bytes are before it has seen the end.
      const hold = "{ head -c 20M /dev/zero; cat; } | tail -c 20M >/dev/null";
      const holder = await test.engine.stream(one, ["sh", "-c", hold]);
      await poll(async () => (await more()) > 19, "20 MiB are held");
      const cache = "dd if=/dev/zero of=/kept/cached bs=1M count=60";
      const cached = await test.engine.exec(one, ["sh", "-c", cache], { timeoutMs: 20_000 });
      expect(cached, cached.stderr).toMatchObject({ exitCode: 0 });
      expect(await more()).toBeLessThan(40);
      await destroyed(holder);
      await poll(async () => (await more()) < 5, "they are given back");
    });

    it("measures what a container has written outside its volumes, also when it is stopped", async () => {
      const name = `${unique}-writer`;
      await test.engine.runContainer(
        spec("writer", { volumes: [{ name: `${unique}-other`, path: "/kept" }] }),
      );
      const write = "dd if=/dev/zero of=/kept/file bs=1M count=9; dd if=/dev/zero of=/tmp/file bs=1M count=5";
      await test.engine.exec(name, ["sh", "-c", write], { timeoutMs: 20_000 });
      await test.engine.stopContainer(name, 0);
      const writtenMib = await test.engine.writtenMib(name);
      expect(writtenMib).toBeGreaterThan(4.9);
      expect(writtenMib).toBeLessThan(6);
      await test.engine.removeContainer(name);
      expect(await test.engine.writtenMib(name)).toBe(0);
    });

    it("reports a container's death", async () => {
      await test.engine.runContainer(spec("mortal"));
      const controller = new AbortController();
      const seen: string[] = [];
      const watch = (async () => {
        for await (const event of test.engine.events(labels, controller.signal)) {
          if (event.container !== `${unique}-mortal`) continue;
          expect(event.labels).toMatchObject(labels);
          seen.push(event.action);
        }
      })();
      await poll(async () => {
        await test.engine.startContainer(`${unique}-mortal`);
        await test.engine.stopContainer(`${unique}-mortal`, 0);
        return seen.includes("die");
      }, "the death is told");
      controller.abort();
      await watch;
      await test.engine.removeContainer(`${unique}-mortal`);
      await test.engine.removeContainer(`${unique}-mortal`);
    });
  });
}
