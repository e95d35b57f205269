import { afterAll, beforeAll, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { Browser } from "../support/browser.ts";
import { attemptOf } from "../support/lab-server.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { makeInstallation, type TestInstallation } from "../support/test-installation.ts";
import { leftOf as leftOfSandbox, partsOf } from "./cluster-parts.ts";

/** A real server on the real thing, killed in the midst of bring-ups and started again; the tests go in order. */
const START_MS = 120_000;
const BRING_UP_MS = 480_000;
const JOIN_CODE = "crash-tests";

const engine = new DockerEngine();
let installation: TestInstallation;
let server: ServerProcess;
let learner: Browser;
let attempt: AttemptView;

beforeAll(async () => {
  installation = await makeInstallation({
    FOOTBRIDGE_POOL_SIZE: "1",
    FOOTBRIDGE_MAX_SANDBOXES: "1",
    // The pool would wait for it, and its guests would not boot.
    FOOTBRIDGE_VM_TEMPLATE: "false",
    FOOTBRIDGE_JOIN_CODE: JOIN_CODE,
  });
  await start();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
});

/** Resolves when it has taken up what the one before left. */
async function start(): Promise<void> {
  server = await startServer(installation.env, START_MS);
  const health = async () => (await fetch(new URL("/healthz", server.url))).status;
  await poll(async () => (await health()) === 200, "it is ready", { timeoutMs: START_MS, pauseMs: 200 });
}

/** The id of the sandbox whose machine runs QEMU now; the only one there is. */
async function bootingSandbox(): Promise<string | undefined> {
  const machines = await engine.listContainers({
    [LABELS.installation]: installation.id,
    [LABELS.part]: "machine",
  });
  for (const { name, running, labels } of machines) {
    const argv = ["pgrep", "-f", "^qemu-system"];
    if (running && (await engine.exec(name, argv, { timeoutMs: 20_000 })).exitCode === 0)
      return labels[LABELS.sandbox];
  }
  return undefined;
}

const leftOf = (id: string) => leftOfSandbox(engine, id);

async function kindRunsFor(id: string): Promise<boolean> {
  const find = ["pgrep", "-f", `create cluster --name fb-${id} `] as const;
  return (await run(find, { timeoutMs: 10_000, okExitCodes: [1] })).exitCode === 0;
}

const view = () => attemptOf(learner, attempt.id);

async function untilPhase(phase: "ready" | "degraded"): Promise<AttemptView> {
  await poll(
    async () => {
      const { sandbox } = await view();
      if (sandbox?.phase === "failed") throw new Error(`it failed: ${JSON.stringify(sandbox.failure)}`);
      return sandbox?.phase === phase;
    },
    `the sandbox is ${phase}`,
    { timeoutMs: BRING_UP_MS, pauseMs: 500 },
  );
  return await view();
}

test("killed while the pool's guest boots, it leaves nothing half-made and makes another", async () => {
  let first: string | undefined;
  await poll(
    async () => {
      first = await bootingSandbox();
      return first !== undefined;
    },
    "the guest boots",
    { timeoutMs: 120_000, pauseMs: 200 },
  );
  await server.killHard();
  await start();
  expect(await leftOf(first ?? "")).toEqual([]);
});

test("killed while a learner's cluster is made, it gives him another sandbox without a word", async () => {
  learner = await new Browser(server.url).visit();
  await learner.join(JOIN_CODE, "Ada");
  attempt = (await learner.ask(routes.startAttempt, { json: { labId: "first-crossing" } })).body;
  const first = async () => (await view()).sandbox;
  await poll(
    async () => {
      const steps = (await first())?.steps ?? [];
      return steps.some((one) => one.name === "create cluster" && one.state === "progress");
    },
    "the cluster is being made",
    { timeoutMs: 120_000, pauseMs: 100 },
  );
  const id = (await first())?.id ?? "";
  expect(await kindRunsFor(id)).toBe(true);
  await server.killHard();
  await poll(async () => !(await kindRunsFor(id)), "kind goes with the server");
  await start();
  expect(await leftOf(id)).toEqual([]);
  const ready = await untilPhase("ready");
  expect(ready.sandbox?.id).not.toBe(id);
});

test("killed, with everything of a learner's sandbox stopped or gone but its disks, it takes it up and repairs it", async () => {
  const before = await view();
  const id = before.sandbox?.id ?? "";
  const file = { parameters: { attemptId: attempt.id }, query: { place: "vm", path: "/home/admin/kept" } };
  const kept = await learner.ask(routes.upload, { ...file, bytes: Buffer.from("an hour's work") });
  expect(kept.status, JSON.stringify(kept.body)).toBeLessThan(300);
  await server.killHard();
  // What a restart of Docker leaves, and a shell's container that somebody removed.
  const names = (await partsOf(engine, id)).map(({ name }) => name);
  await run(["docker", "stop", ...names], { timeoutMs: 120_000 });
  await engine.removeContainer(`fb-${id}-toolbox`);
  await start();
  const hurt = await untilPhase("degraded");
  expect(hurt.sandbox).toMatchObject({
    id,
    machine: { power: "broken", trouble: { remedy: expect.any(String) } },
  });
  const repaired = await learner.ask(routes.repair, { parameters: { attemptId: attempt.id } });
  expect(repaired.status, JSON.stringify(repaired.body)).toBe(200);
  expect((await untilPhase("ready")).sandbox?.id).toBe(id);
  const again = await learner.ask(routes.download, file);
  expect(again.status, JSON.stringify(again.body)).toBe(200);
  expect(String(again.body)).toBe("an hour's work");
});

test("killed while it resets a lab, it takes the old sandbox away and gives a new one", async () => {
  const before = (await view()).sandbox?.id ?? "";
  const reset = learner.ask(routes.resetAttempt, { parameters: { attemptId: attempt.id } }).catch(() => {});
  await poll(async () => (await view()).state !== "running", "the reset has begun", { pauseMs: 20 });
  await server.killHard();
  await reset;
  await start();
  expect(await leftOf(before)).toEqual([]);
  const after = await untilPhase("ready");
  expect(after.sandbox?.id).not.toBe(before);
  expect(after.tasks.every(({ state }) => state !== "passed")).toBe(true);
});
