import { expect, test } from "vitest";
import {
  changeWorkbench,
  initialWorkbench,
  shownTabOfRole,
  type Workbench,
  type WorkbenchChange,
} from "../../../client/lab-page/workbench-state.ts";

const after = (...changes: WorkbenchChange[]): Workbench =>
  changes.reduce(changeWorkbench, initialWorkbench());
const ids = (state: Workbench, side: "left" | "right") =>
  state.tabs.filter((tab) => tab.side === side).map((tab) => tab.id);

test("begins with one shell of each kind, the VM's in front", () => {
  const state = initialWorkbench();
  expect(ids(state, "left")).toEqual(["vm-1", "cluster-1", "console-1"]);
  expect(state.active.left).toBe("vm-1");
  expect(state.shown).toEqual(["vm-1"]);
});

test("another shell takes the smallest free name, so that a closed one comes back", () => {
  const two = after({ type: "open", role: "vm", side: "left" });
  expect(two.active.left).toBe("vm-2");
  const again = [
    { type: "close", id: "vm-1" },
    { type: "open", role: "vm", side: "left" },
  ] as const;
  expect(again.reduce(changeWorkbench, two).active.left).toBe("vm-1");
});

test("closing shows what was used last", () => {
  const state = after(
    { type: "show", id: "console-1" },
    { type: "show", id: "cluster-1" },
    { type: "close", id: "cluster-1" },
  );
  expect(state.active.left).toBe("console-1");
});

test("closing everything leaves nothing in front", () => {
  const state = after(
    { type: "close", id: "vm-1" },
    { type: "close", id: "cluster-1" },
    { type: "close", id: "console-1" },
  );
  expect(state.tabs).toEqual([]);
  expect(state.active).toEqual({});
});

test("splitting puts the other world beside, and joining keeps all", () => {
  const split = after({ type: "split" });
  expect(split.active).toEqual({ left: "vm-1", right: "cluster-1" });
  expect(split.shown).toContain("cluster-1");
  const joined = changeWorkbench(split, { type: "unsplit" });
  expect(ids(joined, "left")).toHaveLength(3);
  expect(joined.active).toEqual({ left: "cluster-1" });
});

test("splitting with a single tab opens a shell of the other world", () => {
  const state = after(
    { type: "close", id: "cluster-1" },
    { type: "close", id: "console-1" },
    { type: "split" },
  );
  expect(state.active).toEqual({ left: "vm-1", right: "cluster-1" });
});

test("a moved tab leaves its side to another", () => {
  const state = after({ type: "split" }, { type: "move", id: "vm-1", side: "right" });
  expect(ids(state, "right")).toContain("vm-1");
  expect(state.active.right).toBe("vm-1");
  expect(state.active.left).toBe("console-1");
});

test("a command goes to a visible terminal of its role before any other", () => {
  const state = after(
    { type: "open", role: "cluster", side: "left" },
    { type: "show", id: "vm-1" },
    { type: "split" },
    { type: "show", id: "vm-1" },
    { type: "show role", role: "cluster" },
  );
  expect(shownTabOfRole(state, "cluster")?.id).toBe("cluster-1");
  expect(state.side).toBe("right");
});

test("a command opens a terminal where none of its role is left", () => {
  const state = after({ type: "close", id: "cluster-1" }, { type: "show role", role: "cluster" });
  expect(shownTabOfRole(state, "cluster")?.id).toBe("cluster-1");
});
