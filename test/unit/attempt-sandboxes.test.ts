import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import { Turns } from "../../sandboxes/turns.ts";
import { AttemptSandboxes, type AttemptSandboxesDeps } from "../../server/attempts/attempt-sandboxes.ts";
import { LabCatalogue } from "../../server/attempts/lab-catalogue.ts";
import { Metrics } from "../../server/observe/metrics.ts";
import { openSqliteStore } from "../../server/store/sqlite-store.ts";
import type { Store } from "../../server/store/store.ts";
import { createTerminalHub } from "../../server/terminal/terminal-hub.ts";
import { ada, attempt as anyAttempt } from "../contract/store-contract.ts";
import { prepareStubLab, stubLab, watchStubTasks } from "../support/stub-lab.ts";
import { StubSandboxes } from "../support/stub-sandboxes.ts";

const attempt = { ...anyAttempt, labId: stubLab.id };

/** Sandboxes that are folders, for one attempt that waits. */
async function openSandboxes(
  change: (deps: { store: Store; sandboxes: StubSandboxes }) => Partial<AttemptSandboxesDeps>,
) {
  const dir = await mkdtemp(join(tmpdir(), "fb-attempts-"));
  const store = await openSqliteStore(join(dir, "footbridge.db"));
  const sandboxes = new StubSandboxes({ dir: join(dir, "s"), room: 2, stepMs: 1, ports: () => undefined });
  const hub = createTerminalHub({ resolve: () => undefined });
  await store.addPerson(ada);
  await store.addAttempt(attempt);
  const attempts = new AttemptSandboxes({
    store,
    sandboxes,
    hub,
    watchTasks: watchStubTasks,
    prepareLab: prepareStubLab,
    metrics: new Metrics(sandboxes),
    log: pino({ level: "silent" }),
    turns: new Turns(),
    onChange: () => {},
    settings: { attemptMinutes: 60 },
    placement: "beside",
    labs: new LabCatalogue([stubLab], { placement: "beside", nodes: 1, enforcesNetworkPolicy: true }),
    clock: () => new Date(),
    ...change({ store, sandboxes }),
  });
  onTestFinished(async () => {
    await attempts[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
    await sandboxes[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  return { attempts, sandboxes };
}

test("a sandbox is removed though what runs in it does not end before", async () => {
  const preparing = Promise.withResolvers<void>();
  const ended = vi.fn();
  const { attempts, sandboxes } = await openSandboxes(({ sandboxes: all }) => ({
    // Whatever it asks of the guest comes back when the guest is gone.
    prepareLab: async () => {
      preparing.resolve();
      await vi.waitUntil(() => all.list().length === 0, { timeout: 20_000 });
      ended();
    },
  }));
  await attempts.serve();
  const [sandbox] = sandboxes.list();
  if (!sandbox) throw new Error("no sandbox was given");
  await preparing.promise;
  attempts.remove(attempt.id, sandbox.id);
  await expect.poll(() => ended).toHaveBeenCalled();
});

test("a sandbox that could not be given is no longer there", async () => {
  const full = new LabError("disk_full", "the record of attempts could not be written");
  const { attempts, sandboxes } = await openSandboxes(({ store }) => ({
    store: overriding(store, { updateAttempt: () => Promise.reject(full) }),
  }));
  expect(await attempts.serve()).toBe(full);
  expect(sandboxes.list()).toEqual([]);
});

test("a sandbox that was given stays, though what comes after fails", async () => {
  const broken = new LabError("internal", "the evidence could not be read");
  const { attempts, sandboxes } = await openSandboxes(({ store }) => ({
    store: overriding(store, { latestEvidence: () => Promise.reject(broken) }),
  }));
  expect(await attempts.serve()).toBe(broken);
  expect(sandboxes.list()).toHaveLength(1);
});

/** The store, but for some of its methods. */
function overriding(store: Store, methods: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(methods, name) ?? Reflect.get(target, name);
      return typeof method === "function" ? method.bind(target) : method;
    },
  });
}
