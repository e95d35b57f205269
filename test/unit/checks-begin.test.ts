import { expect, test } from "vitest";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Check } from "../../server/checks/check.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import type { Lab, Task } from "../../server/labs/lab.ts";
import { poll } from "../poll.ts";
import { stubLab } from "../support/stub-lab.ts";

/** A sandbox of which nothing is there: whatever is looked at can't be checked. */
const nothing: Sandbox = {
  id: "none",
  placement: "beside",
  machine: () => undefined,
  cluster: () => undefined,
  inspect: () => Promise.reject(new Error("there is nothing")),
  onChange: () => {},
};

function task(id: string, world: Task["world"], ...checks: Check[]): Task {
  const words = { en: id, zh: id };
  return { id, title: words, world, points: 1, after: [], checks, hints: [], solution: [], shortcuts: [] };
}

const unit: Check = { kind: "unit_active", unit: "one.service", forMs: 0 };
const port: Check = { kind: "port_reachable", port: 5432, control: 22 };
const rollout: Check = {
  kind: "rollout",
  namespace: "one",
  deployment: "one",
  replicas: 1,
  readinessProbe: false,
};

test("a task is judged when every world that it looks at is at the lab's start", async () => {
  const tasks = [
    task("in-the-vm", "vm", unit),
    task("from-the-cluster", "vm", port),
    task("in-the-cluster", "cluster", rollout),
    task("in-both", "both", unit, rollout),
  ];
  const lab: Lab = { ...stubLab, tasks };
  const verdicts: TaskVerdict[] = [];
  await using watcher = watchTasks({
    lab,
    sandbox: nothing,
    passed: new Set(),
    prepared: [],
    sweepMs: null,
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  const judged = () => verdicts.map(({ taskId }) => taskId);
  watcher.begin("vm");
  watcher.begin("vm");
  await poll(() => verdicts.length > 0, "the first verdict");
  expect(judged()).toEqual(["in-the-vm"]);
  watcher.begin("cluster");
  await poll(() => verdicts.length === tasks.length, "the other verdicts");
  expect(judged().toSorted()).toEqual(tasks.map(({ id }) => id).toSorted());
  expect(verdicts.map(({ state }) => state)).toEqual(tasks.map(() => "errored"));
});
