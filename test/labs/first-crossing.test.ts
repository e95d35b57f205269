import { expect, test } from "vitest";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { openRealStack } from "../support/real-stack.ts";
import { proveLab } from "./prove-lab.ts";

/** Bring-up of a sandbox, then eight tasks with all their wrong ways, on two cores under emulation. */
const WHOLE_LAB_MS = 1_500_000;

test("first-crossing: each solution passes its task, and no wrong way does", {
  timeout: WHOLE_LAB_MS,
}, async ({ signal }) => {
  const lab = (await loadLabs("labs")).find((one) => one.id === "first-crossing");
  if (!lab) throw new Error("the lab is not there");
  await using real = await openRealStack({ vmTemplate: true });
  const sandbox = await real.claimReady();
  const proofs = await proveLab(lab, sandbox, { log: (line) => process.stderr.write(`${line}\n`), signal });
  expect(proofs.map(({ taskId }) => taskId)).toEqual(lab.tasks.map(({ id }) => id));
  expect(proofs.every(({ shortcuts }) => shortcuts.length > 0)).toBe(true);
});
