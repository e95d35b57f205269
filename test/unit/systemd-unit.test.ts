import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { LabError } from "../../sandboxes/errors.ts";
import { run } from "../../sandboxes/run.ts";

const unit = fileURLToPath(new URL("../../docs/footbridge.service", import.meta.url));

test("systemd finds nothing wrong with the unit", async (context) => {
  const said = await run(["systemd-analyze", "verify", unit], { timeoutMs: 20_000 }).catch(
    (error: LabError) =>
      error.message.startsWith("could not start")
        ? context.skip("systemd-analyze is not installed here")
        : Promise.reject(error),
  );
  expect(said.stdout + said.stderr).not.toContain("footbridge.service");
});

test("the unit's settings and state are where the command line looks, too", async () => {
  expect(await readFile(unit, "utf8")).not.toMatch(/^Environment=.*(XDG_|FOOTBRIDGE_)/m);
});
