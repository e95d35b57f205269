import { expect, test, vi } from "vitest";
import { FakeHost } from "../support/fake-drivers.ts";
import { phaseOf, serviceOn } from "../support/fake-service.ts";

/** A server before the one that recovers, with so many ready sandboxes. */
async function earlierServer(host: FakeHost, sandboxes: number): Promise<string[]> {
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const ids: string[] = [];
  for (let n = 0; n < sandboxes; n++) ids.push((await service.claim()).id);
  for (const id of ids) await expect.poll(() => phaseOf(service, id)).toBe("ready");
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
  await expect.poll(() => phaseOf(service, id)).toBe("ready");
  host.goAway();
  await expect(service.destroy(id)).rejects.toMatchObject({ code: "docker_unavailable" });
  expect(await phaseOf(service, id)).toBe("destroying");
  host.comeBack();
  await expect.poll(() => service.list()).toEqual([]);
  expect(host.containers.size + host.networks.size).toBe(0);
});

test("Docker's coming back is told once it answers", async () => {
  const host = new FakeHost();
  const onDockerBack = vi.fn();
  const { service, troubles } = serviceOn(host, {}, { onDockerBack });
  await service.recover(new Set());
  host.goAway();
  await expect.poll(() => troubles).toHaveLength(1);
  expect(onDockerBack).not.toHaveBeenCalled();
  host.comeBack();
  await expect.poll(() => onDockerBack).toHaveBeenCalledOnce();
});

test("a node that comes late to a sandbox that was removed is removed as well, and nobody else's", async () => {
  const host = new FakeHost();
  const [swept = ""] = await earlierServer(host, 1);
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const { id } = await service.claim();
  await expect.poll(() => phaseOf(service, id)).toBe("ready");
  await service.destroy(id);
  expect(host.containers.size).toBe(0);
  for (const late of [swept, id]) host.makeLate(late);
  await expect.poll(() => host.containers.size).toBe(0);
  host.makeLate("neighbours");
  host.makeLate(id);
  await expect.poll(() => [...host.containers.keys()]).toEqual(["fb-neighbours-worker"]);
});

test("another installation's sandboxes at the same Docker are left alone", async () => {
  const host = new FakeHost();
  const neighbour = serviceOn(host, { installation: "neighbour" });
  await neighbour.service.recover(new Set());
  const theirs = await neighbour.service.claim();
  await expect.poll(() => phaseOf(neighbour.service, theirs.id)).toBe("ready");
  await serviceOn(host).service.recover(new Set());
  expect(host.containers.size).toBe(2);
});

test("destroying one in the making interrupts it and leaves nothing", async () => {
  const host = new FakeHost();
  host.gate = new Promise(() => {});
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await expect.poll(() => host.begun).toHaveLength(1);
  await service.destroy(sandbox.id);
  expect(host.containers.size).toBe(0);
  expect(service.list()).toEqual([]);
});

test("a service that ends lets go of its clusters and leaves them running", async () => {
  const host = new FakeHost();
  const { service } = serviceOn(host);
  await service.recover(new Set());
  const sandbox = await service.claim();
  await expect.poll(() => sandbox.cluster()).toBeDefined();
  await service[Symbol.asyncDispose]();
  expect([...host.released]).toEqual([sandbox.id]);
  expect(host.containers.has(`fb-${sandbox.id}-control-plane`)).toBe(true);
});
