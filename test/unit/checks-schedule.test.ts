import { expect, test } from "vitest";
import { TaskSchedule } from "../../server/checks/task-schedule.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import type { Task } from "../../server/labs/lab.ts";
import { poll } from "../poll.ts";

type State = TaskVerdict["state"];

/** Tasks whose results are set by hand, and what was told of them. */
function scene(after: Record<string, string[]>, passed: string[] = []) {
  const title = { en: "", zh: "" };
  const tasks = Object.entries(after).map(
    ([id, needs]): Task => ({
      ...{
        id,
        title,
        world: "vm",
        points: 1,
        after: needs,
        checks: [],
        hints: [],
        solution: [],
        shortcuts: [],
      },
    }),
  );
  const now: Record<string, State> = {};
  const soon: Record<string, boolean> = {};
  const unprepared = new Set<string>();
  const looks: string[] = [];
  const told: string[] = [];
  const during: { hook?: (id: string) => Promise<void> } = {};
  const schedule = new TaskSchedule({
    tasks,
    passed: new Set(passed),
    isPrepared: ({ id }) => !unprepared.has(id),
    evaluate: async ({ id }) => {
      looks.push(id);
      const state = now[id] ?? "failed";
      const began = performance.now();
      await during.hook?.(id);
      const tookMs = performance.now() - began;
      const label = { en: id, zh: id };
      const verdict = {
        taskId: id,
        state,
        conditions: [{ state: "passed", label } as const],
        checkedAt: new Date(),
        tookMs,
      };
      return { verdict, mayChangeSoon: soon[id] ?? false };
    },
    onVerdict: ({ taskId, state }) => told.push(`${taskId} ${state}`),
  });
  return { schedule, now, soon, unprepared, looks, told, during };
}
const all = () => true;

test("a burst of events is one look, and the same result is told once", async () => {
  const { schedule, looks, told } = scene({ a: [] });
  for (let event = 0; event < 50; event += 1) schedule.touch(all);
  await poll(() => looks.length === 1, "a look");
  schedule.touch(all);
  await poll(() => looks.length === 2, "another look");
  expect(told).toEqual(["a failed"]);
  await schedule[Symbol.asyncDispose]();
});

test("a stream of events can't put a look off", async () => {
  const { schedule, looks } = scene({ a: [] });
  const stream = setInterval(() => schedule.touch(all), 10);
  await poll(() => looks.length >= 3, "looks while events come");
  clearInterval(stream);
  await schedule[Symbol.asyncDispose]();
});

test("a locked task is not looked at until what it waits for is passed; passed stays passed", async () => {
  const { schedule, now, looks, told } = scene({ a: [], b: ["a"], c: [] }, ["c"]);
  schedule.touch(all);
  await poll(() => told.length === 1, "the first verdict");
  expect(looks).toEqual(["a"]);
  now.a = "passed";
  schedule.touch(({ id }) => id === "a");
  await poll(() => told.includes("b failed"), "the task that was locked");
  now.a = "failed";
  schedule.touch(all);
  now.b = "passed";
  await poll(() => told.includes("b passed"), "the last one");
  expect(told).toEqual(["a failed", "a passed", "b failed", "b passed"]);
  await schedule[Symbol.asyncDispose]();
});

test("a task whose world is not at the lab's start is not looked at, also when it is the next one", async () => {
  const { schedule, now, unprepared, looks, told } = scene({ a: [], b: ["a"], c: [] });
  unprepared.add("b").add("c");
  now.a = "passed";
  schedule.touch(all);
  await poll(() => told.includes("a passed"), "the first task's pass");
  expect(["a", "b", "c"].map((id) => schedule.isOpen(id))).toEqual([false, false, false]);
  unprepared.clear();
  schedule.touch(all);
  await poll(() => told.length === 3, "the others' verdicts");
  expect(looks).toEqual(["a", "b", "c"]);
  await schedule[Symbol.asyncDispose]();
});

test("what may change without an event is looked at again by itself, what can't is not", async () => {
  const { schedule, now, soon, looks, told } = scene({ a: [], b: [] });
  soon.a = true;
  schedule.touch(all);
  await poll(() => looks.filter((id) => id === "a").length >= 3, "looks without an event");
  now.a = "passed";
  await poll(() => told.includes("a passed"), "its pass");
  expect(looks.filter((id) => id === "b")).toHaveLength(1);
  await schedule[Symbol.asyncDispose]();
});

test("a pass during which something changed does not count", async () => {
  const { schedule, now, told, during } = scene({ a: [] });
  now.a = "passed";
  during.hook = async () => {
    delete during.hook;
    now.a = "failed";
    schedule.touch(all);
  };
  schedule.touch(all);
  await poll(() => told.length > 0, "a verdict");
  expect(told).toEqual(["a failed"]);
  await schedule[Symbol.asyncDispose]();
});

test("an event during a look leads to another look", async () => {
  const { schedule, now, told, looks, during } = scene({ a: [] });
  during.hook = async () => {
    delete during.hook;
    now.a = "passed";
    schedule.touch(all);
  };
  schedule.touch(all);
  await poll(() => told.includes("a passed"), "the second look");
  expect(looks).toHaveLength(2);
  await schedule[Symbol.asyncDispose]();
});
