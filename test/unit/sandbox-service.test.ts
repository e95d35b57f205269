import { expect, onTestFinished, test, vi } from "vitest";
import type { ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { toEngineError } from "../../sandboxes/engine/docker-errors.ts";
import type { MachineSpec } from "../../sandboxes/machine/machine.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { sandboxMemoryMib } from "../../sandboxes/service/capacity.ts";
import { measureHeldMib } from "../../sandboxes/service/held-memory.ts";
import { createSandboxService, type SandboxServiceDeps } from "../../sandboxes/service/sandbox-service.ts";
import type { SandboxSettings } from "../../sandboxes/service/sandbox-settings.ts";
import { FakeHost } from "../support/fake-drivers.ts";
import { sandboxSettings } from "../support/sandbox-settings.ts";

function serviceOn(
  host: FakeHost,
  change: Partial<SandboxSettings> = {},
  more: Partial<SandboxServiceDeps> = {},
) {
  const settings = { ...sandboxSettings, ...change };
  const troubles: string[] = [];
  const service = createSandboxService({
    settings,
    engine: host.engine,
    machines: host.machines,
    clusters: host.clusters,
    networks: host.networksOf(settings.installation),
    machineSpec: (sandboxId) =>
      ({
        sandboxId,
        accelerator: "tcg",
        hardware: settings.hardware,
        labels: { [LABELS.sandbox]: sandboxId, [LABELS.installation]: settings.installation },
      }) as unknown as MachineSpec,
    clusterSpec: async (sandboxId) => ({ sandboxId }) as unknown as ClusterSpec,
    freeDiskMib: async () => host.freeDiskMib,
    onTrouble: (error) => troubles.push(error.message),
    ...more,
  });
  onTestFinished(() => service[Symbol.asyncDispose]());
  return { service, troubles };
}

const phaseOf = async (service: ReturnType<typeof serviceOn>["service"], id: string) =>
  (await service.get(id)?.inspect())?.phase;

test("a claimed sandbox is creating first and ready when VM and cluster are", async () => {
  const host = new FakeHost();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  expect((await sandbox.inspect()).phase).toBe("creating");
  gate.resolve();
  await vi.waitFor(async () => expect((await sandbox.inspect()).phase).toBe("ready"));
  expect(sandbox.machine()?.sandboxId).toBe(sandbox.id);
});

test("when one half fails the other goes too, and the failure tells why", async () => {
  const host = new FakeHost();
  host.failCluster = true;
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await vi.waitFor(async () => expect((await sandbox.inspect()).phase).toBe("failed"));
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
  await vi.waitFor(async () => expect((await sandbox.inspect()).phase).toBe("failed"));
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
  await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
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
  await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
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
  for (const { id } of [greedy, modest])
    await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
  host.diskUse.set(greedy.id, 13_517).set(modest.id, 12 * 1024);
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(async () => expect(await phaseOf(service, greedy.id)).toBe("degraded"));
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
  for (const { id } of [first, second])
    await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
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

test("the pool keeps one ready, gives it to the next learner and makes another", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host, { poolSize: 1 });
  await service.recover(new Set());
  await vi.waitFor(async () => expect(await phaseOf(service, service.list()[0]?.id ?? "")).toBe("ready"));
  const pooled = service.list()[0]?.id;
  const sandbox = await service.claim();
  expect(sandbox.id).toBe(pooled);
  await vi.waitFor(() => expect(service.list()).toHaveLength(2));
});

test("a pool member takes no room from a learner", async () => {
  const { service } = serviceOn(new FakeHost(), { poolSize: 1, maxSandboxes: 1 });
  await service.recover(new Set());
  await vi.waitFor(() => expect(service.list()).toHaveLength(1));
  await expect(service.claim()).resolves.toBeDefined();
});

test("learners come before the pool in the queue of bring-ups", async () => {
  const host = new FakeHost();
  const gate = Promise.withResolvers<void>();
  host.gate = gate.promise;
  const { service } = serviceOn(host, { poolSize: 2 });
  await service.recover(new Set());
  await vi.waitFor(() => expect(service.list()).toHaveLength(2));
  const claimed = [];
  for (let count = 0; count < 4; count += 1) claimed.push((await service.claim()).id);
  gate.resolve();
  await vi.waitFor(() => expect(host.begun.length).toBeGreaterThanOrEqual(4));
  expect(host.begun.slice(0, 4)).toEqual(claimed);
});

test("the pool waits for what makes bring-ups fast", async () => {
  const host = new FakeHost();
  const fast = Promise.withResolvers<void>();
  const { service } = serviceOn(host, { poolSize: 1 }, { poolMayFill: fast.promise });
  await service.recover(new Set());
  const claimed = await service.claim();
  await vi.waitFor(() => expect(host.begun).toEqual([claimed.id]));
  expect(service.list()).toHaveLength(1);
  fast.resolve();
  await vi.waitFor(() => expect(service.list()).toHaveLength(2));
});

test("a pool member that fails is told and not made again at once", async () => {
  const host = new FakeHost();
  host.failCluster = true;
  const { service, troubles } = serviceOn(host, { poolSize: 1 });
  await service.recover(new Set());
  await vi.waitFor(() => expect(troubles).toEqual(["kind said no"]));
  await vi.waitFor(() => expect(service.list()).toHaveLength(0));
  expect(host.begun).toHaveLength(1);
});

/** A server before the one that recovers, with so many ready sandboxes. */
async function earlierServer(host: FakeHost, sandboxes: number): Promise<string[]> {
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const ids: string[] = [];
  for (let n = 0; n < sandboxes; n++) ids.push((await service.claim()).id);
  for (const id of ids) await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
  return ids;
}

test("recovery adopts what is owned, and sweeps the ownerless and the half-made nobody has worked in", async () => {
  const host = new FakeHost();
  const [owned = "", ownerless = "", half = ""] = await earlierServer(host, 3);
  host.containers.delete(`fb-${half}-control-plane`);

  const { service } = serviceOn(host);
  await service.recover(new Set([owned, half]), (id) => ({ vm: id === owned, cluster: id === owned }));
  expect(service.list().map((one) => one.id)).toEqual([owned]);
  expect(service.get(ownerless)).toBeUndefined();
  expect(await phaseOf(service, owned)).toBe("ready");
  expect([...host.containers.keys()].toSorted()).toEqual([
    `fb-${owned}-control-plane`,
    `fb-${owned}-machine`,
  ]);
  expect([...host.networks.keys()]).toEqual([`fb-${owned}`]);
});

test("recovery keeps what somebody has worked in, whatever of it is lost, and tells what helps", async () => {
  const host = new FakeHost();
  const [noCluster = "", noMachine = "", nothing = ""] = await earlierServer(host, 3);
  host.containers.delete(`fb-${noCluster}-control-plane`);
  host.containers.delete(`fb-${noMachine}-machine`);
  host.containers.delete(`fb-${nothing}-control-plane`);
  host.containers.delete(`fb-${nothing}-machine`);

  const { service, troubles } = serviceOn(host);
  await service.recover(new Set([noCluster, noMachine, nothing]));
  expect(
    service
      .list()
      .map((one) => one.id)
      .toSorted(),
  ).toEqual([noCluster, noMachine].toSorted());
  expect(await service.get(noCluster)?.inspect()).toMatchObject({
    phase: "degraded",
    machine: { state: { power: "on" } },
    cluster: {
      state: {
        phase: "broken",
        reason: expect.stringContaining("gone"),
        remedy: expect.stringMatching("reset"),
      },
    },
  });
  expect(await service.get(noMachine)?.inspect()).toMatchObject({
    phase: "degraded",
    machine: {
      state: {
        power: "broken",
        reason: expect.stringContaining("gone"),
        remedy: expect.stringMatching("reset"),
      },
    },
    cluster: { state: { phase: "ready" } },
  });
  expect(troubles).toHaveLength(2);
  await expect(service.repair(noCluster)).rejects.toMatchObject({ message: expect.stringContaining("gone") });
  await expect(service.power(noMachine, "on")).rejects.toMatchObject({
    hint: expect.stringMatching("reset"),
  });
});

test("a cluster that was never handed over has to show that it was finished, beside a VM that was too", async () => {
  const host = new FakeHost();
  const [vmOnly = "", both = ""] = await earlierServer(host, 2);
  host.unfinished.add(vmOnly).add(both);
  const { service } = serviceOn(host);
  await service.recover(new Set([vmOnly, both]), (id) => ({ vm: true, cluster: id === both }));
  expect(await phaseOf(service, both)).toBe("ready");
  expect(await service.get(vmOnly)?.inspect()).toMatchObject({
    phase: "degraded",
    machine: { state: { power: "on" } },
    cluster: { state: { reason: expect.stringContaining("interrupted") } },
  });
  // Nor does a repair hand it over.
  await expect(service.repair(vmOnly)).rejects.toMatchObject({ hint: expect.stringMatching("reset") });
  expect(service.get(vmOnly)?.cluster()).toBeUndefined();
});

test("recovery asks again for what does not answer, and then takes it over as hurt", async () => {
  const host = new FakeHost();
  const [late = "", mute = "", untouched = ""] = await earlierServer(host, 3);
  host.silent.set(late, 1).set(mute, 1_000).set(untouched, 1_000);

  const { service, troubles } = serviceOn(host, {}, { recoveryPatienceMs: 1_500 });
  const isUsed = (id: string) => id !== untouched;
  await service.recover(new Set([late, mute, untouched]), (id) => ({ vm: isUsed(id), cluster: isUsed(id) }));
  expect(await phaseOf(service, late)).toBe("ready");
  for (const id of [mute, untouched])
    expect(await service.get(id)?.inspect()).toMatchObject({
      phase: "degraded",
      machine: {
        state: {
          reason: expect.stringContaining("no answer"),
          remedy: expect.stringMatching(/repair.*reset/),
        },
      },
    });
  expect(troubles).toHaveLength(2);
  await expect(service.repair(mute)).rejects.toMatchObject({ code: "timed_out" });
  host.silent.clear();
  await service.repair(mute);
  expect(await phaseOf(service, mute)).toBe("ready");
});

test("what can't be removed while Docker is away is removed when it is back", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const { id } = await service.claim();
  await vi.waitFor(async () => expect(await phaseOf(service, id)).toBe("ready"));
  host.goAway();
  await expect(service.destroy(id)).rejects.toMatchObject({ code: "docker_unavailable" });
  expect(await phaseOf(service, id)).toBe("destroying");
  host.comeBack();
  await vi.waitFor(() => expect(service.list()).toEqual([]), 10_000);
  expect(host.containers.size + host.networks.size).toBe(0);
});

test("Docker's coming back is told once it answers", async () => {
  const host = new FakeHost();
  const onDockerBack = vi.fn();
  const { service, troubles } = serviceOn(host, {}, { onDockerBack });
  await service.recover(new Set());
  host.goAway();
  await vi.waitFor(() => expect(troubles).toHaveLength(1));
  expect(onDockerBack).not.toHaveBeenCalled();
  host.comeBack();
  await vi.waitFor(() => expect(onDockerBack).toHaveBeenCalledOnce(), 10_000);
});

test("another installation's sandboxes at the same Docker are left alone", async () => {
  const host = new FakeHost();
  const neighbour = serviceOn(host, { installation: "neighbour" });
  await neighbour.service.recover(new Set());
  const theirs = await neighbour.service.claim();
  await vi.waitFor(async () => expect(await phaseOf(neighbour.service, theirs.id)).toBe("ready"));
  await serviceOn(host).service.recover(new Set());
  expect(host.containers.size).toBe(2);
});

test("destroying one in the making interrupts it and leaves nothing", async () => {
  const host = new FakeHost();
  host.gate = new Promise(() => {});
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await vi.waitFor(() => expect(host.begun).toHaveLength(1));
  await service.destroy(sandbox.id);
  expect(host.containers.size).toBe(0);
  expect(service.list()).toEqual([]);
});

test("a service that ends lets go of its clusters and leaves them running", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await vi.waitFor(() => expect(sandbox.cluster()).toBeDefined());
  await service[Symbol.asyncDispose]();
  expect([...host.released]).toEqual([sandbox.id]);
  expect(host.containers.has(`fb-${sandbox.id}-control-plane`)).toBe(true);
});
