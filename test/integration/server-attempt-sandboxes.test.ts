import { finished } from "node:stream/promises";
import { expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import type { PrepareLab } from "../../server/checks/task-watcher.ts";
import type { WorldName } from "../../server/labs/lab.ts";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { change, solve, start, untilPassed } from "../support/attempts.ts";
import { attemptOf, startAttempt, startLabServer, untilReady } from "../support/lab-server.ts";
import { prepareStubLab } from "../support/stub-lab.ts";

const nodeStopped = {
  code: "nodes_stopped",
  values: ["`a`"],
  reason: "node `a` stopped",
  remedy: "repair",
} as const;

test("when Docker fails, starting says so and leaves no attempt behind", async () => {
  await using server = await startLabServer();
  server.stub.sandboxes.claimFailure = new LabError("docker_unavailable", "docker does not answer");
  const learner = await server.learner();
  expect((await start(learner)).body.code).toBe("docker_unavailable");
  expect((await learner.ask(routes.currentAttempt)).body).toBeNull();
  server.stub.sandboxes.claimFailure = undefined;
  expect((await start(learner)).body.state).toBe("running");
});

test("an end in the midst of a reset or a start leaves no sandbox behind", async () => {
  await using server = await startLabServer({ sandboxes: { stepMs: 30 } });
  const learner = await server.learner();
  for (let round = 0; round < 5; round += 1) {
    const { id } = (await start(learner)).body as AttemptView;
    await Promise.all([change(learner, "reset", id), change(learner, "end", id)]);
    expect((await attemptOf(learner, id)).state).toBe("ended");
  }
  await poll(() => server.stub.sandboxes.list().length === 0, "no sandbox is left");
});

test("a reset on a full host waits for nobody but its own old sandbox", async () => {
  await using server = await startLabServer({ sandboxes: { room: 1 } });
  const [first, second] = [await server.learner("First"), await server.learner("Second")];
  const before = await startAttempt(first);
  expect((await start(second)).body.state).toBe("queued");
  const { body } = await change(first, "reset", before.id);
  expect(["resetting", "running"]).toContain(body.state);
  const after = await untilReady(first, before.id);
  expect(after.sandbox?.id).not.toBe(before.sandbox?.id);
});

test("a second reset lasts until its own sandbox is gone, whenever that of the first one goes", async () => {
  await using server = await startLabServer();
  const { sandboxes } = server.stub;
  const learner = await server.learner();
  const first = await startAttempt(learner);
  const destroy = sandboxes.destroy.bind(sandboxes);
  const gates = new Map<string, PromiseWithResolvers<void>>();
  sandboxes.destroy = async (id) => {
    const gate = Promise.withResolvers<void>();
    gates.set(id, gate);
    await gate.promise;
    await destroy(id);
  };
  const open = (view: AttemptView) => gates.get(view.sandbox?.id ?? "")?.resolve();
  const stateNow = async () => (await attemptOf(learner, first.id)).state;

  await change(learner, "reset", first.id);
  const second = await untilReady(learner, first.id);
  sandboxes.claimFailure = new LabError("docker_unavailable", "docker does not answer");
  await change(learner, "reset", first.id);
  open(first);
  await poll(() => sandboxes.list().length === 1, "the first one's is gone");
  const between = await stateNow();
  open(second);
  sandboxes.destroy = destroy;
  expect(between).toBe("resetting");
  await poll(async () => (await stateNow()) === "queued", "the second one's is gone");
});

test("a set-up of the lab that fails is told with the way out, and repair tries again", async () => {
  let isBroken = true;
  const prepared: WorldName[] = [];
  const prepareLab: PrepareLab = async (...given) => {
    prepared.push(given[2]);
    if (isBroken && given[2] === "vm")
      throw new LabError("check_errored", "set-up `break.sh` ended with 1", { hint: "look at it" });
    await prepareStubLab(...given);
  };
  await using server = await startLabServer({ app: { prepareLab } });
  const learner = await server.learner();
  const { id } = (await start(learner)).body as AttemptView;
  await poll(async () => (await attemptOf(learner, id)).sandbox?.phase === "failed", "the set-up has failed");
  expect((await attemptOf(learner, id)).sandbox).toMatchObject({
    failure: { message: "set-up `break.sh` ended with 1", hint: "look at it" },
    machine: { labStart: "failed" },
    steps: expect.arrayContaining([expect.objectContaining({ name: "prepare lab in VM", state: "failed" })]),
  });
  isBroken = false;
  expect((await change(learner, "repair", id)).status).toBe(200);
  await untilReady(learner, id);
  expect(prepared.toSorted()).toEqual(["cluster", "vm", "vm"]);
});

test("the VM is prepared and its tasks can be passed while the cluster is still coming up", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = await startLabServer({ sandboxes: { beforeCluster: () => gate.promise } });
  const learner = await server.learner();
  const { id } = (await start(learner)).body as AttemptView;
  await poll(
    async () => (await attemptOf(learner, id)).sandbox?.machine?.labStart === "done",
    "the VM is at the lab's start",
  );
  const early = await attemptOf(learner, id);
  expect(early.sandbox).toMatchObject({ phase: "creating" });
  expect(early.sandbox?.cluster).toBeUndefined();
  expect(early.sandbox?.steps.filter(({ name }) => name.startsWith("prepare"))).toMatchObject([
    { name: "prepare lab in VM", state: "done" },
  ]);
  await solve(server, early, "first");
  await untilPassed(learner, id, "first");
  const { tasks } = await attemptOf(learner, id);
  expect(tasks.map(({ state }) => state)).toEqual(["passed", "open", "locked"]);
  // Open, but nothing is said of it that would be the cluster's fault.
  expect(tasks[1]?.verdict).toBeUndefined();
  expect((await server.stub.store.latestEvidence(id, 1)).map(({ taskId }) => taskId)).toEqual(["first"]);
  gate.resolve();
  await untilReady(learner, id);
  await poll(
    async () => (await attemptOf(learner, id)).tasks[1]?.verdict?.state === "failed",
    "the cluster's task is judged",
  );
});

test("before the lab is prepared in the VM the page says so, and the cluster's part does not wait for it", async () => {
  const gate = Promise.withResolvers<void>();
  const prepareLab: PrepareLab = async (lab, sandbox, world, signal) => {
    if (world === "vm") await gate.promise;
    await prepareStubLab(lab, sandbox, world, signal);
  };
  await using server = await startLabServer({ app: { prepareLab } });
  const learner = await server.learner();
  const { id } = (await start(learner)).body as AttemptView;
  await poll(async () => {
    const { machine, cluster } = (await attemptOf(learner, id)).sandbox ?? {};
    return machine?.labStart === "started" && cluster?.labStart === "done";
  }, "the cluster is at the lab's start, the VM on its way");
  const view = await attemptOf(learner, id);
  expect(view.sandbox).toMatchObject({ phase: "creating", machine: { power: "on", labStart: "started" } });
  expect(view.sandbox?.steps.filter(({ name }) => name.startsWith("prepare"))).toMatchObject([
    { name: "prepare lab in VM", state: "started" },
    { name: "prepare lab in cluster", state: "done" },
  ]);
  // A repair meanwhile does not run it a second time beside the first.
  await change(learner, "repair", id);
  expect(view.tasks[0]?.verdict).toBeUndefined();
  gate.resolve();
  await untilReady(learner, id);
});

test("power, hardware and repair reach the VM", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const parameters = { attemptId: id };
  const power = async (action: string) =>
    (await learner.ask(routes.power, { parameters, json: { action } })).body;
  expect((await power("off")).sandbox.machine.power).toBe("off");
  const json = { cpus: 4, memoryMib: 2048, dataDiskGib: 6 };
  const resized = (await learner.ask(routes.hardware, { parameters, json })).body;
  expect(resized.sandbox.machine).toMatchObject({ hardware: { cpus: 2 }, pendingHardware: json });
  const on = (await power("on")).sandbox.machine;
  expect(on).toMatchObject({ power: "on", hardware: json });
  expect(on.pendingHardware).toBeUndefined();
  const sandbox = server.stub.sandboxes.list()[0];
  // What runs in the VM does not outlive its reset, and it is on again by itself.
  const program = await sandbox?.machine()?.place.stream(["sleep", "600"], { user: "admin" });
  const ended = program && finished(program).catch(() => {});
  expect((await power("reset")).sandbox.machine.power).toBe("on");
  await ended;
  expect(program?.destroyed).toBe(true);
  const cluster = sandbox?.cluster();
  if (cluster) cluster.state = { phase: "broken", ...nodeStopped };
  sandbox?.changed();
  expect((await attemptOf(learner, id)).sandbox).toMatchObject({
    phase: "degraded",
    cluster: { trouble: nodeStopped },
  });
  expect((await change(learner, "repair", id)).body.sandbox.phase).toBe("ready");
  expect((await power("explode")).code).toBe("bad_request");
});

test("a repair that takes long is answered before it is done, and told until then", async () => {
  let repairs = 0;
  let docker = Promise.withResolvers<void>();
  const beforeRepair = () => {
    repairs += 1;
    return docker.promise;
  };
  await using server = await startLabServer({ sandboxes: { beforeRepair }, app: { answerMs: 50 } });
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const sandbox = server.stub.sandboxes.list()[0];
  const cluster = sandbox?.cluster();
  if (cluster) cluster.state = { phase: "broken", ...nodeStopped };
  sandbox?.changed();
  const look = async () => (await attemptOf(learner, id)).sandbox;
  for (const _ of [1, 2]) {
    const { status, body } = await change(learner, "repair", id);
    expect({ status, ...body.sandbox }).toMatchObject({ status: 200, phase: "degraded", action: "repair" });
  }
  expect(repairs).toBe(1);
  docker.reject(new LabError("docker_unavailable", "docker does not answer"));
  await poll(async () => (await look())?.action === undefined, "the repair is over");
  expect(await look()).toMatchObject({
    phase: "degraded",
    actionFailure: { code: "docker_unavailable", message: "docker does not answer" },
  });
  docker = Promise.withResolvers();
  await change(learner, "repair", id);
  docker.resolve();
  await untilReady(learner, id);
  expect(await look()).not.toHaveProperty("action");
  expect(await look()).not.toHaveProperty("actionFailure");
  expect(repairs).toBe(2);
});

test("a change that nothing tells of is seen all the same", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const cluster = server.stub.sandboxes.list()[0]?.cluster();
  if (cluster) cluster.state = { phase: "broken", ...nodeStopped };
  await poll(async () => (await attemptOf(learner, id)).sandbox?.cluster?.phase === "broken", "it is seen");
});

test("a verdict does not wait for a Docker that is busy", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const view = await startAttempt(learner);
  const sandbox = server.stub.sandboxes.list()[0];
  const { promise: busy, resolve: answer } = Promise.withResolvers<void>();
  if (sandbox) sandbox.busy = () => busy;
  await solve(server, view, "first");
  await untilPassed(learner, view.id, "first");
  answer();
});

test("of two views that are made at the same time, the one begun later has the higher count", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const sandbox = server.stub.sandboxes.list()[0];
  if (!sandbox) throw new Error("there is no sandbox");
  const begun = Promise.withResolvers<void>();
  const docker = Promise.withResolvers<void>();
  sandbox.busy = () => {
    begun.resolve();
    return docker.promise;
  };
  sandbox.changed();
  const earlier = attemptOf(learner, id);
  await begun.promise;
  sandbox.busy = () => Promise.resolve();
  sandbox.changed();
  const later = await attemptOf(learner, id);
  docker.resolve();
  const { server: run, count } = (await earlier).version;
  expect(later.version.server).toBe(run);
  expect(count).toBeLessThan(later.version.count);
});
