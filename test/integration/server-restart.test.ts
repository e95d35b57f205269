import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import type { PrepareLab } from "../../server/checks/task-watcher.ts";
import type { WorldName } from "../../server/labs/lab.ts";
import { routes } from "../../server/protocol/http.ts";
import { poll } from "../poll.ts";
import { type Browser, connected, openTerminal } from "../support/browser.ts";
import { freePorts } from "../support/free-port.ts";
import {
  attemptOf,
  type LabServerOptions,
  startAttempt,
  startLabServer,
  untilReady,
} from "../support/lab-server.ts";
import { prepareStubLab } from "../support/stub-lab.ts";

/** One that comes back at the same address. */
async function startLastingServer(options: LabServerOptions = {}) {
  const [port = 0] = await freePorts(1);
  return await startLabServer({ ...options, settings: { ...options.settings, port } });
}

const stateOf = async (browser: Browser, attemptId: string, taskId: string) =>
  (await attemptOf(browser, attemptId)).tasks.find(({ id }) => id === taskId)?.state;

test("a restarted server goes on where the last one was: people, sandboxes, tasks and hints", async () => {
  await using server = await startLastingServer();
  const learner = await server.learner();
  const before = await startAttempt(learner);
  const home = () => server.stub.sandboxes.get(before.sandbox?.id ?? "")?.machine()?.place.home ?? "";
  await writeFile(join(home(), "first"), "");
  await poll(async () => (await stateOf(learner, before.id, "first")) === "passed", "first passed");
  await learner.ask(routes.revealHint, { parameters: { attemptId: before.id }, json: { taskId: "second" } });

  // What has passed stays passed, also for whoever judges the next task.
  await rm(join(home(), "first"));
  await server.restart();
  const after = await untilReady(learner, before.id);
  expect(after.sandbox?.id).toBe(before.sandbox?.id);
  // It counts its views anew, and pages know by this that it does.
  expect(after.version.server).not.toBe(before.version.server);
  expect(after.tasks.map(({ state }) => state)).toEqual(["passed", "open", "locked"]);
  expect(after.tasks[1]?.hintsShown).toHaveLength(1);
  await writeFile(join(home(), "second"), "");
  await poll(async () => (await stateOf(learner, before.id, "second")) === "passed", "second passed");
});

test("no world is prepared twice", async () => {
  const prepared: WorldName[] = [];
  const prepareLab: PrepareLab = async (...given) => {
    prepared.push(given[2]);
    await prepareStubLab(...given);
  };
  await using server = await startLastingServer({ app: { prepareLab } });
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  await server.restart();
  await untilReady(learner, id);
  expect(prepared.toSorted()).toEqual(["cluster", "vm"]);
});

/** Until the gate is open, nothing but the server's end ends the cluster's part of the set-up. */
function neverInCluster(gate: { isOpen: boolean }, prepared: WorldName[]): PrepareLab {
  return async (lab, sandbox, world, signal) => {
    prepared.push(world);
    if (world === "cluster" && !gate.isOpen) await once(signal, "abort");
    await prepareStubLab(lab, sandbox, world, signal);
  };
}

const untilVmPrepared = (browser: Browser, attemptId: string) =>
  poll(async () => {
    const { machine, cluster } = (await attemptOf(browser, attemptId)).sandbox ?? {};
    return machine?.labStart === "done" && cluster?.labStart === "started";
  }, "the VM is at the lab's start, the cluster on its way");

test("a server that ends between both leaves the VM alone, where the learner works, and goes on with the cluster", async () => {
  const gate = { isOpen: false };
  const prepared: WorldName[] = [];
  await using server = await startLastingServer({ app: { prepareLab: neverInCluster(gate, prepared) } });
  const learner = await server.learner();
  const { id } = (await learner.ask(routes.startAttempt, { json: { labId: "stub-lab" } })).body;
  await untilVmPrepared(learner, id);
  const home = () => server.stub.sandboxes.list()[0]?.machine()?.place.home ?? "";
  await writeFile(join(home(), "first"), "");
  await poll(async () => (await stateOf(learner, id, "first")) === "passed", "first passed");
  gate.isOpen = true;
  await server.restart();
  await untilReady(learner, id);
  expect(await stateOf(learner, id, "first")).toBe("passed");
  expect(prepared.toSorted()).toEqual(["cluster", "cluster", "vm"]);
});

test("a sandbox that was lost when the learner had its VM is told, though its cluster was not prepared", async () => {
  const gate = { isOpen: false };
  await using server = await startLastingServer({ app: { prepareLab: neverInCluster(gate, []) } });
  const learner = await server.learner();
  const { id, sandbox } = (await learner.ask(routes.startAttempt, { json: { labId: "stub-lab" } })).body;
  await untilVmPrepared(learner, id);
  await server.stub.sandboxes.destroy(sandbox.id);
  gate.isOpen = true;
  await server.restart();
  expect((await attemptOf(learner, id)).sandbox?.failure?.message).toContain("gone");
});

test("a sandbox that a killed server left half-made, and nobody was let into, is replaced without a word", async () => {
  const never = Promise.withResolvers<void>().promise;
  const prepareLab: PrepareLab = async (_lab, _sandbox, _world, signal) => void (await once(signal, "abort"));
  const beforeCluster = () => never;
  await using server = await startLastingServer({ sandboxes: { beforeCluster }, app: { prepareLab } });
  const learner = await server.learner();
  const { id, sandbox } = (await learner.ask(routes.startAttempt, { json: { labId: "stub-lab" } })).body;
  await server.restart({ sandboxes: {}, app: { prepareLab: prepareStubLab } });
  const after = await untilReady(learner, id);
  expect(after.sandbox?.id).not.toBe(sandbox.id);
  expect(server.stub.sandboxes.get(sandbox.id)).toBeUndefined();
});

test("who waited still waits, in the same order", async () => {
  await using server = await startLastingServer({ sandboxes: { room: 1 } });
  const [first, second, third] = [
    await server.learner("First"),
    await server.learner("Second"),
    await server.learner("Third"),
  ];
  const holder = await startAttempt(first);
  const start = async (browser: Browser) =>
    (await browser.ask(routes.startAttempt, { json: { labId: "stub-lab" } })).body;
  const [one, two] = [await start(second), await start(third)];
  await server.restart();
  expect(await attemptOf(second, one.id)).toMatchObject({ state: "queued", queuePosition: 1 });
  expect(await attemptOf(third, two.id)).toMatchObject({ state: "queued", queuePosition: 2 });
  await first.ask(routes.endAttempt, { parameters: { attemptId: holder.id } });
  await untilReady(second, one.id);
});

test("a sandbox that was lost before the learner had it is replaced; one with work in it is told", async () => {
  let mayPrepare = false;
  const prepareLab: PrepareLab = async (...given) => {
    if (!mayPrepare) throw new LabError("check_errored", "not yet");
    await prepareStubLab(...given);
  };
  await using server = await startLastingServer({ app: { prepareLab } });
  const learner = await server.learner();
  const lose = async (id: string) => {
    // Behind the server's back, as somebody with `docker rm` does.
    await server.stub.sandboxes.destroy(id);
    await server.restart();
  };
  const started = (await learner.ask(routes.startAttempt, { json: { labId: "stub-lab" } })).body;
  await poll(async () => {
    const { machine, cluster } = (await attemptOf(learner, started.id)).sandbox ?? {};
    return machine?.labStart === "failed" && cluster?.labStart === "failed";
  }, "both set-ups fail");
  mayPrepare = true;
  await lose(started.sandbox.id);
  const replaced = await untilReady(learner, started.id);
  expect(replaced.sandbox?.id).not.toBe(started.sandbox.id);

  await lose(replaced.sandbox?.id ?? "");
  const lost = await attemptOf(learner, started.id);
  expect(lost).toMatchObject({
    state: "running",
    sandbox: { phase: "failed", failure: { message: expect.stringContaining("gone") } },
  });
  await learner.ask(routes.resetAttempt, { parameters: { attemptId: started.id } });
  await untilReady(learner, started.id);
});

test("a sandbox that no attempt owns does not outlive a restart", async () => {
  await using server = await startLastingServer();
  const orphan = await server.stub.sandboxes.claim();
  await server.restart();
  expect(server.stub.sandboxes.get(orphan.id)).toBeUndefined();
});

test("shells outlive the server, with their screen and what they have printed", async () => {
  await using server = await startLastingServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const open = { attemptId: id, role: "vm", name: "1", cols: 80, rows: 24 } as const;
  const before = await connected(learner.socket());
  const shell = await openTerminal(before, open);
  await shell.type("KEPT=yes; echo before-$((1+1))\r");
  await poll(() => shell.text().includes("before-2"), "the shell answers");
  before.disconnect();

  await server.restart();
  const after = await connected(learner.socket());
  const same = await openTerminal(after, open);
  expect(same.text()).toContain("before-2");
  await same.type("echo still-$KEPT\r");
  await poll(() => same.text().includes("still-yes"), "the same shell answers");
  after.disconnect();
});

test("before everything is taken up, requests wait and `/healthz` says so", async () => {
  await using server = await startLastingServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const gate = Promise.withResolvers<void>();
  let fails = 1;
  const beforeRecover = async () => {
    if (fails-- > 0) throw new LabError("docker_unavailable", "docker does not answer");
    await gate.promise;
  };
  const restarting = server.restart({ sandboxes: { beforeRecover } });
  const health = async () => fetch(`${server.url}/healthz`).catch(() => undefined);
  await poll(async () => {
    const answer = await health();
    if (answer?.status !== 503) return false;
    const { status, reason } = (await answer.json()) as { status: string; reason: string };
    return status === "starting" && reason.includes("docker does not answer");
  }, "it says that it is starting, and what it waits for");
  const waiting = attemptOf(learner, id);
  const socket = await connected(learner.socket());
  const told = Promise.withResolvers<void>();
  socket.on("server:ready", told.resolve);
  gate.resolve();
  await restarting;
  expect((await waiting).id).toBe(id);
  await told.promise;
  socket.disconnect();
  expect((await health())?.status).toBe(200);
});
