import { expect, onTestFinished, test, vi } from "vitest";
import { toEngineError } from "../../sandboxes/engine/docker-errors.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { sandboxMemoryMib } from "../../sandboxes/service/capacity.ts";
import { measureHeldMib } from "../../sandboxes/service/held-memory.ts";
import { FakeHost } from "../support/fake-drivers.ts";
import { phaseOf, serviceOn } from "../support/fake-service.ts";
import { sandboxSettings } from "../support/sandbox-settings.ts";

test("a claimed sandbox is creating first and ready when VM and cluster are", async () => {
  const host = new FakeHost();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  expect((await sandbox.inspect()).phase).toBe("creating");
  gate.resolve();
  await expect.poll(async () => (await sandbox.inspect()).phase).toBe("ready");
  expect(sandbox.machine()?.sandboxId).toBe(sandbox.id);
});

test("when one half fails the other goes too, and the failure tells why", async () => {
  const host = new FakeHost();
  host.failCluster = true;
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await expect.poll(async () => (await sandbox.inspect()).phase).toBe("failed");
  expect((await sandbox.inspect()).failure).toEqual({
    code: "cluster_failed",
    message: "kind said no",
    hint: "see its log",
  });
  expect(host.containers.size).toBe(0);
});

test("a full disk, which Docker tells in its own words, is told with what helps", async () => {
  const host = new FakeHost();
  const said =
    "mkdir /var/lib/docker/overlay2/0fe2c1b1c6a0d5a8d5e2a9b3a6fd91d3-init: no space left on device";
  const answer = Object.assign(new Error(`(HTTP code 500) server error - ${said} `), {
    statusCode: 500,
    json: { message: said },
  });
  host.machineFailure = toEngineError(answer, "create container `fb-7f-machine`");
  expect(host.machineFailure.code).toBe("disk_full");
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await expect.poll(async () => (await sandbox.inspect()).phase).toBe("failed");
  expect((await sandbox.inspect()).failure).toEqual({
    code: "disk_full",
    message: `could not create container \`fb-7f-machine\`: ${said}`,
    hint: expect.stringContaining("free disk space"),
  });
});

test("a command that fails for want of disk space says so, as kind does when Docker's disk is full", async () => {
  const kind =
    "docker: Error response from daemon: mkdir /var/lib/docker/volumes/1c0de/_data: no space left on device.";
  await expect(
    run(["sh", "-c", 'echo "$0" >&2; exit 125', kind], { timeoutMs: 5_000 }),
  ).rejects.toMatchObject({
    code: "disk_full",
    message: expect.stringContaining("no space left"),
    hint: expect.stringContaining("free disk space"),
  });
});

test("a full host says no room, and has room again when a sandbox ends", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host, { maxSandboxes: 1 });
  await service.recover(new Set());
  const first = await service.claim();
  await expect(service.claim()).rejects.toMatchObject({ code: "no_room", hint: expect.any(String) });
  await service.destroy(first.id);
  expect(host.networks.size).toBe(0);
  expect((await service.claim()).id).not.toBe(first.id);
});

test("a host whose disk is nearly full has no room, and has it again when there is space", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  host.freeDiskMib = 1_000;
  await expect(service.claim()).rejects.toMatchObject({ code: "no_room" });
  host.freeDiskMib = 100_000;
  await expect(service.claim()).resolves.toBeDefined();
});

test("what sandboxes hold of their memory is theirs, what others hold is not given away", async () => {
  const host = new FakeHost();
  let availableMib = 16_000;
  const { service } = serviceOn(host, {}, { availableMemoryMib: async () => availableMib });
  await service.recover(new Set());
  const { id } = await service.claim();
  await expect.poll(() => phaseOf(service, id)).toBe("ready");
  host.containers.set("fb-other-machine", { [LABELS.sandbox]: "other" });
  const { free } = (await service.capacity()).memoryMib;
  expect(free).toBe(16_000 - sandboxMemoryMib(sandboxSettings) - 1_024);
  // The VM and the node take their part, and so does a sandbox of another installation.
  host.heldMib = () => 600;
  availableMib -= 3 * 600;
  expect((await service.capacity()).memoryMib.free).toBe(free - 600);
});

test("a container whose memory can't be measured in time counts as if it held none", async () => {
  const host = new FakeHost();
  host.containers
    .set("fb-a-machine", { [LABELS.sandbox]: "a" })
    .set("fb-a-toolbox", { [LABELS.sandbox]: "a" });
  host.heldMib = (name) => (name === "fb-a-machine" ? 700 : undefined);
  expect(await measureHeldMib(host.engine, new Set(["a"]), 50)).toBe(700);
  host.goAway();
  expect(await measureHeldMib(host.engine, new Set(["a"]), 50)).toBe(0);
});

test("of a Docker on another host, only what was promised counts, and no container is measured", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const { id } = await service.claim();
  await expect.poll(() => phaseOf(service, id)).toBe("ready");
  const measured: string[] = [];
  host.heldMib = (name) => measured.push(name);
  const { free } = (await service.capacity()).memoryMib;
  expect(free).toBe(host.memoryMib - sandboxSettings.reservedMemoryMib - sandboxMemoryMib(sandboxSettings));
  expect(measured).toEqual([]);
});

test("a sandbox that fills its disk says so within a minute, and its neighbour goes on", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const host = new FakeHost();
  const { service, troubles } = serviceOn(host);
  await service.recover(new Set());
  const [greedy, modest] = [await service.claim(), await service.claim()];
  for (const { id } of [greedy, modest]) await expect.poll(() => phaseOf(service, id)).toBe("ready");
  host.diskUse.set(greedy.id, 13_517).set(modest.id, 12 * 1024);
  vi.advanceTimersByTime(60_000);
  await expect.poll(() => phaseOf(service, greedy.id)).toBe("degraded");
  expect((await greedy.inspect()).cluster?.state).toEqual({
    phase: "broken",
    code: "sandbox_disk_full",
    values: ["13.2", "12", `node \`fb-${greedy.id}-control-plane\``],
    reason: `it filled its disk: 13.2 of 12 GiB (node \`fb-${greedy.id}-control-plane\`)`,
    remedy: "reset gives a new sandbox",
  });
  expect(await phaseOf(service, modest.id)).toBe("ready");
  expect(troubles).toEqual([expect.stringContaining("13.2 of 12 GiB")]);
});

test("two claims at once do not share the last room", async () => {
  const { service } = serviceOn(new FakeHost(), { maxSandboxes: 1 });
  await service.recover(new Set());
  const outcomes = await Promise.allSettled([service.claim(), service.claim()]);
  expect(outcomes.map((one) => one.status).toSorted()).toEqual(["fulfilled", "rejected"]);
});

test("a VM can't be given more CPUs than the host has, nor memory that is promised already", async () => {
  const { service } = serviceOn(new FakeHost());
  await service.recover(new Set());
  const [first, second] = [await service.claim(), await service.claim()];
  for (const { id } of [first, second]) await expect.poll(() => phaseOf(service, id)).toBe("ready");
  const hardware = { cpus: 2, memoryMib: 8_192, dataDiskGib: 4 };
  await expect(service.resize(first.id, { ...hardware, cpus: 3 })).rejects.toMatchObject({
    code: "no_room",
    message: expect.stringContaining("2 CPUs"),
    hint: expect.stringContaining("2 at most"),
  });
  const { free } = (await service.capacity()).memoryMib;
  await service.resize(first.id, hardware);
  expect((await service.capacity()).memoryMib.free).toBe(free - (8_192 - 1_536));
  await expect(service.resize(second.id, { ...hardware, memoryMib: 12_288 })).rejects.toMatchObject({
    code: "no_room",
    message: expect.stringContaining("MiB"),
  });
  await service.resize(first.id, { ...hardware, memoryMib: 4_096 });
});

test.each([
  ["off", "stop"],
  ["on", "start"],
  ["reset", "hardReset"],
] as const)("a pulled plug overtakes `%s`, and what was to follow", async (action, asked) => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const { id } = await service.claim();
  await expect.poll(() => phaseOf(service, id)).toBe("ready");
  host.isGuestDeaf = true;
  const overtaken = [service.power(id, action), service.power(id, "reset")];
  await expect.poll(() => host.asked).toEqual([asked]);
  await service.power(id, "plug");
  await Promise.all(overtaken);
  expect(host.asked).toEqual([asked]);
  expect((await service.get(id)?.inspect())?.machine?.state.power).toBe("off");
  host.isGuestDeaf = false;
  await service.power(id, "on");
  expect((await service.get(id)?.inspect())?.machine?.state.power).toBe("on");
});

test("the pool keeps one ready, gives it to the next learner and makes another", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host, { poolSize: 1 });
  await service.recover(new Set());
  await expect.poll(() => phaseOf(service, service.list()[0]?.id ?? "")).toBe("ready");
  const pooled = service.list()[0]?.id;
  const sandbox = await service.claim();
  expect(sandbox.id).toBe(pooled);
  await expect.poll(() => service.list()).toHaveLength(2);
});

test("a pool member takes no room from a learner", async () => {
  const { service } = serviceOn(new FakeHost(), { poolSize: 1, maxSandboxes: 1 });
  await service.recover(new Set());
  await expect.poll(() => service.list()).toHaveLength(1);
  await expect(service.claim()).resolves.toBeDefined();
});

test("learners come before the pool in the queue of bring-ups", async () => {
  const host = new FakeHost();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const { service } = serviceOn(host, { poolSize: 2 });
  await service.recover(new Set());
  await expect.poll(() => service.list()).toHaveLength(2);
  const claimed = [];
  for (let count = 0; count < 4; count += 1) claimed.push((await service.claim()).id);
  gate.resolve();
  await expect.poll(() => host.begun.length).toBeGreaterThanOrEqual(4);
  expect(host.begun.slice(0, 4)).toEqual(claimed);
});

test("the pool waits for what makes bring-ups fast", async () => {
  const host = new FakeHost();
  const fast = Promise.withResolvers<void>();
  const { service } = serviceOn(host, { poolSize: 1 }, { poolMayFill: fast.promise });
  await service.recover(new Set());
  const claimed = await service.claim();
  await expect.poll(() => host.begun).toEqual([claimed.id]);
  expect(service.list()).toHaveLength(1);
  fast.resolve();
  await expect.poll(() => service.list()).toHaveLength(2);
});

test("a pool member that fails is told and not made again at once", async () => {
  const host = new FakeHost();
  host.failCluster = true;
  const { service, troubles } = serviceOn(host, { poolSize: 1 });
  await service.recover(new Set());
  await expect.poll(() => troubles).toEqual(["kind said no"]);
  await expect.poll(() => service.list()).toHaveLength(0);
  expect(host.begun).toHaveLength(1);
});
