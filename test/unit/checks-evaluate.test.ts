import { expect, test } from "vitest";
import { evaluateTask, type World } from "../../server/checks/evaluate.ts";
import type { Observation } from "../../server/checks/vm/vm-observer.ts";
import { inventoryFileSystem as check } from "../support/inventory-file-system.ts";

const LVS = {
  report: [
    {
      lv: [
        {
          vg_name: "data",
          lv_name: "inventory",
          lv_size: "1",
          lv_path: "/dev/data/inventory",
          lv_dm_path: "/dev/mapper/data-inventory",
        },
      ],
    },
  ],
};

/** A VM whose root put programs of their own in the place of `findmnt` and `lvs`. */
function worldWhere(printed: Record<string, Observation>): World {
  return {
    vm: { observe: async ([file]) => printed[file] ?? { exitCode: 1, stdout: "" } },
    machine: () => undefined,
    cluster: () => undefined,
    survival: () => ({ state: "waiting" }) as never,
    afterwards: () => {},
  };
}

test("however much the sandbox prints, a verdict's texts stay short", async () => {
  const mount = { source: "💾".repeat(1_000_000), fstype: "ext4", size: 1, avail: 1 };
  const world = worldWhere({
    "/usr/bin/findmnt": { exitCode: 0, stdout: JSON.stringify({ filesystems: [mount] }) },
    "/usr/sbin/lvs": { exitCode: 0, stdout: JSON.stringify(LVS) },
  });
  const { verdict } = await evaluateTask({ id: "disk", checks: [check] }, world);
  const [condition] = verdict.conditions;
  if (condition?.state !== "failed") throw new Error(`it ${condition?.state}`);
  for (const text of [condition.found.en, condition.found.zh]) {
    expect(text).toHaveLength(600);
    expect(text).toMatch(/💾.*…$/);
    expect(text.isWellFormed()).toBe(true);
  }
  expect(condition.expected.en).toBe(
    "a file system of at least 1.0 GiB on the logical volume `data/inventory`",
  );
});

test("so does the reason why something could not be looked at", async () => {
  const world = worldWhere({ "/usr/sbin/lvs": { exitCode: 5, stdout: "x".repeat(1_000_000) } });
  const { verdict } = await evaluateTask({ id: "disk", checks: [check] }, world);
  const [condition] = verdict.conditions;
  if (condition?.state !== "errored") throw new Error(`it ${condition?.state}`);
  expect(condition.reason.en).toMatch(/^could not look: `lvs` failed in the VM: x+…$/);
  expect(condition.reason.en).toHaveLength(600);
  expect(condition.reason.zh).toHaveLength(600);
});
