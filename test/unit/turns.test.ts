import { expect, onTestFinished, test, vi } from "vitest";
import { Turns } from "../../sandboxes/turns.ts";
import { coalesce } from "../../server/sockets/coalesce.ts";
import { EventBudget } from "../../server/sockets/event-budget.ts";
import { SocketAllowances } from "../../server/sockets/socket-allowances.ts";

test("work on one thing goes one after the other, on another at the same time", async () => {
  const turns = new Turns();
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.run("a", async () => {
    await gate.promise;
    told.push("first");
  });
  const second = turns.run("a", async () => void told.push("second"));
  await turns.run("b", async () => void told.push("other"));
  expect(told).toEqual(["other"]);
  gate.resolve();
  await Promise.all([first, second]);
  expect(told).toEqual(["other", "first", "second"]);
});

test("work that fails tells whoever asked for it, and holds up nobody", async () => {
  const turns = new Turns();
  const failing = turns.run("a", () => Promise.reject(new Error("no")));
  const next = turns.run("a", async () => "yes");
  await expect(failing).rejects.toThrow("no");
  await expect(next).resolves.toBe("yes");
});

test("much asked for is done at once, then seldom, and the last ask is not lost", async () => {
  let asked = 0;
  const seen: number[] = [];
  const work = coalesce(async () => void seen.push(asked), 20);
  for (asked = 1; asked < 100; asked += 1) work.ask();
  expect(seen).toEqual([1]);
  await expect.poll(() => seen).toEqual([1, 100]);
  work.ask();
  await expect.poll(() => seen).toHaveLength(3);
  work.stop();
});

test("what was stopped does no more work", async () => {
  const work = vi.fn(async () => {});
  const coalesced = coalesce(work, 1);
  coalesced.stop();
  coalesced.ask();
  expect(work).not.toHaveBeenCalled();
});

test("a budget is spent and comes back with time", async () => {
  const clock = vi.spyOn(performance, "now").mockReturnValue(0);
  onTestFinished(() => clock.mockRestore());
  const budget = new EventBudget({ burst: 4_000, refillPerSecond: 1_500 });
  const spendAll = () => {
    let spent = 0;
    while (budget.spend(100)) spent += 1;
    return spent;
  };
  expect(spendAll()).toBe(40);
  expect(budget.isFull).toBe(false);
  clock.mockReturnValue(1_000);
  expect(spendAll()).toBe(15);
});

test("whoever closes all sockets and comes back finds what was left of the budget", () => {
  const allowances = new SocketAllowances();
  const ada = { id: "ada", role: "learner" } as const;
  const first = allowances.claim(ada);
  expect(first.budget.spend(8_000)).toBe(true);
  first.release();
  const again = allowances.claim(ada);
  expect(again.budget.spend(4_000)).toBe(false);
  expect(allowances.claim({ ...ada, id: "grace" }).budget.spend(4_000)).toBe(true);
});
