import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { change, solve, start, stateOf, untilPassed } from "../support/attempts.ts";
import { attemptOf, startAttempt, startLabServer, untilReady } from "../support/lab-server.ts";
import { stubLab } from "../support/stub-lab.ts";

test("starting gives a sandbox, brings it to the lab's start and judges the tasks", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const started = (await start(learner)).body as AttemptView;
  expect(started).toMatchObject({
    state: "running",
    labTitle: "Stub lab",
    learner: "Ada",
    extensionsLeft: 4,
  });
  const view = await untilReady(learner, started.id);
  expect(view.sandbox?.steps.map(({ name }) => name)).toContain("nodes ready");
  expect(existsSync(join(server.stub.sandboxes.list()[0]?.machine()?.place.root ?? "", "prepared"))).toBe(
    true,
  );
  await poll(async () => (await attemptOf(learner, view.id)).tasks[0]?.verdict !== undefined, "a verdict");
  const { tasks } = await attemptOf(learner, view.id);
  expect(tasks.map(({ state }) => state)).toEqual(["open", "locked", "locked"]);
  expect(tasks[0]?.verdict).toMatchObject({
    state: "failed",
    conditions: [{ state: "failed", expected: "`first` at home in the vm", found: "no such file" }],
  });
  expect(tasks[1]?.verdict).toBeUndefined();
});

test("a task that is solved turns passed and opens the next; words are the reader's", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const view = await startAttempt(learner);
  await solve(server, view, "first");
  await untilPassed(learner, view.id, "first");
  const { tasks } = await attemptOf(learner, view.id);
  expect(tasks.map(({ state }) => state)).toEqual(["passed", "open", "locked"]);
  expect(tasks[0]?.passedAt).toBeDefined();
  const chinese = await learner.ask(routes.attempt, {
    parameters: { attemptId: view.id },
    query: { language: "zh" },
  });
  expect(chinese.body).toMatchObject({
    labTitle: "占位实验",
    webServices: [{ name: "库存" }, { name: "接口" }],
    tasks: [{ title: "任务 first" }, {}, {}],
  });
});

test("coming back gives the same attempt; another lab has to wait for its end", async () => {
  await using server = await startLabServer({ app: { labs: [stubLab, { ...stubLab, id: "other" }] } });
  const learner = await server.learner();
  expect((await learner.ask(routes.currentAttempt)).body).toBeNull();
  const [one, two] = await Promise.all([start(learner), start(learner)]);
  expect(one.body.id).toBe(two.body.id);
  expect((await learner.ask(routes.currentAttempt)).body.id).toBe(one.body.id);
  expect((await start(learner, "other")).body).toMatchObject({ code: "conflict", hint: expect.any(String) });
  await change(learner, "end", one.body.id);
  expect((await start(learner, "other")).status).toBe(200);
  expect((await start(learner, "nothing")).status).toBe(409);
});

test("labs that can't be taken here say why, and can't be started", async () => {
  const needy = { ...stubLab, id: "needy", needs: { nodes: 2, networkPolicy: false } };
  const strict = { ...stubLab, id: "strict", needs: { nodes: 1, networkPolicy: true } };
  await using server = await startLabServer({
    app: {
      labs: [stubLab, needy, strict],
      offer: { placement: "beside", nodes: 1, enforcesNetworkPolicy: false },
    },
  });
  const learner = await server.learner();
  const { body } = await learner.ask(routes.labs);
  expect(body.map((lab: { notOfferedBecause?: string }) => lab.notOfferedBecause)).toEqual([
    undefined,
    expect.stringContaining("2 nodes"),
    "network policies are not enforced here",
  ]);
  expect((await start(learner, "needy")).body.code).toBe("not_supported");
});

test("hints are shown one by one, the last is the solution, and verdicts tell how many were used", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  const reveal = async (taskId: string) =>
    (await learner.ask(routes.revealHint, { parameters: { attemptId: id }, json: { taskId } })).body;
  expect((await reveal("first")).tasks[0]).toMatchObject({
    hintsShown: ["<p>Hint for first</p>"],
    hintsTotal: 2,
  });
  await reveal("first");
  expect((await reveal("first")).tasks[0].hintsShown).toEqual(["<p>Hint for first</p>", "<p>Solution</p>"]);
  expect((await reveal("nothing")).code).toBe("not_found");
  await solve(server, await attemptOf(learner, id), "first");
  await untilPassed(learner, id, "first");
  expect((await server.stub.store.latestEvidence(id, 1))[0]).toMatchObject({ taskId: "first", hintsUsed: 2 });
});

test("who finds no room waits in line, sees the position, and gets the room that becomes free", async () => {
  await using server = await startLabServer({ sandboxes: { room: 1 } });
  const [first, second, third] = [
    await server.learner("First"),
    await server.learner("Second"),
    await server.learner("Third"),
  ];
  const holder = (await start(first)).body as AttemptView;
  const waiting = (await start(second)).body as AttemptView;
  expect(waiting).toMatchObject({ state: "queued", queuePosition: 1 });
  expect(waiting.sandbox).toBeUndefined();
  const last = (await start(third)).body as AttemptView;
  expect(last).toMatchObject({ state: "queued", queuePosition: 2 });
  await change(first, "end", holder.id);
  const given = await untilReady(second, waiting.id);
  expect(given.state).toBe("running");
  expect(await attemptOf(third, last.id)).toMatchObject({ state: "queued", queuePosition: 1 });
});

test("waiting costs none of the learner's time", async () => {
  let now = Date.now();
  await using server = await startLabServer({ sandboxes: { room: 1 }, app: { clock: () => new Date(now) } });
  const [first, second] = [await server.learner("First"), await server.learner("Second")];
  const holder = (await start(first)).body as AttemptView;
  const waiting = (await start(second)).body as AttemptView;
  now += 60 * 60_000;
  await change(first, "end", holder.id);
  const given = await untilReady(second, waiting.id);
  expect(Date.parse(given.endsAt) - now).toBe(240 * 60_000);
});

test("reset gives a new sandbox, tasks start over, the record and the hints are kept", async () => {
  await using server = await startLabServer();
  const learner = await server.learner();
  const before = await startAttempt(learner);
  await solve(server, before, "first");
  await untilPassed(learner, before.id, "first");
  await learner.ask(routes.revealHint, { parameters: { attemptId: before.id }, json: { taskId: "second" } });

  expect((await change(learner, "reset", before.id)).status).toBe(200);
  const after = await untilReady(learner, before.id);
  expect(after.sandbox?.id).not.toBe(before.sandbox?.id);
  expect(after.tasks.map(({ state }) => state)).toEqual(["open", "locked", "locked"]);
  expect(after.tasks[1]?.hintsShown).toHaveLength(1);
  expect(after.endsAt).toBe(before.endsAt);
  await poll(() => server.stub.sandboxes.get(before.sandbox?.id ?? "") === undefined, "the old one is gone");
  expect((await server.stub.store.latestEvidence(before.id, 1))[0]).toMatchObject({ state: "passed" });
});

test("a double click does a thing once", async () => {
  await using server = await startLabServer({ settings: { maxExtensions: 1 } });
  const learner = await server.learner();
  const before = await startAttempt(learner);
  await Promise.all([1, 2, 3].map(() => change(learner, "reset", before.id)));
  const after = await untilReady(learner, before.id);
  await poll(() => server.stub.sandboxes.list().length === 1, "one sandbox is left");
  expect(server.stub.sandboxes.list()[0]?.id).toBe(after.sandbox?.id);
  const extended = await Promise.all([1, 2].map(() => change(learner, "extend", before.id)));
  expect(extended.map(({ status }) => status).toSorted()).toEqual([200, 409]);
  const ended = await Promise.all([1, 2].map(() => change(learner, "end", before.id)));
  expect(ended.map(({ status }) => status)).toEqual([200, 200]);
});

test("time can be extended as often as the settings say", async () => {
  await using server = await startLabServer({ settings: { maxExtensions: 1, extensionMinutes: 30 } });
  const learner = await server.learner();
  const before = await startAttempt(learner);
  const after = (await change(learner, "extend", before.id)).body as AttemptView;
  expect(Date.parse(after.endsAt) - Date.parse(before.endsAt)).toBe(30 * 60_000);
  expect(after.extensionsLeft).toBe(0);
  expect((await change(learner, "extend", before.id)).status).toBe(409);
});

test("an attempt ends when its time is over, and keeps its record", async () => {
  let now = Date.now();
  await using server = await startLabServer({
    settings: { idleMinutes: 1_000 },
    app: { clock: () => new Date(now) },
  });
  const learner = await server.learner();
  const view = await startAttempt(learner);
  await solve(server, view, "first");
  await untilPassed(learner, view.id, "first");
  now = Date.parse(view.endsAt) - 1_000;
  await server.stub.app.untilReady();
  expect((await attemptOf(learner, view.id)).state).toBe("running");
  now += 2_000;
  await poll(async () => (await attemptOf(learner, view.id)).state === "ended", "it has ended");
  await poll(() => server.stub.sandboxes.list().length === 0, "its sandbox is gone");
  expect(stateOf(await attemptOf(learner, view.id), "first")).toBe("passed");
  expect((await learner.ask(routes.currentAttempt)).body).toBeNull();
  expect((await change(learner, "reset", view.id)).body.code).toBe("conflict");
});

test("an idle attempt ends, one that is worked on does not", async () => {
  let now = Date.now();
  await using server = await startLabServer({
    settings: { idleMinutes: 30 },
    app: { clock: () => new Date(now) },
  });
  const [busy, idle] = [await server.learner("Busy"), await server.learner("Idle")];
  const [one, other] = [await startAttempt(busy), await startAttempt(idle)];
  now += 29 * 60_000;
  await busy.ask(routes.revealHint, { parameters: { attemptId: one.id }, json: { taskId: "first" } });
  now += 2 * 60_000;
  await poll(async () => (await attemptOf(idle, other.id)).state === "ended", "the idle one has ended");
  expect((await attemptOf(busy, one.id)).state).toBe("running");
});

test("the instructor sees the room", async () => {
  await using server = await startLabServer({ sandboxes: { room: 2 } });
  const learner = await server.learner("Ada");
  const { id } = await startAttempt(learner);
  const { body } = await (await server.instructor()).ask(routes.room);
  expect(body).toMatchObject({
    joinCode: "test-code",
    joinUrl: `${server.url}/join#code=test-code`,
    capacity: { room: 1 },
    rows: [{ attempt: { id, learner: "Ada" }, lastActivityAt: expect.any(String) }],
  });
});
