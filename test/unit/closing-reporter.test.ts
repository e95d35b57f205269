import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { run } from "../../sandboxes/run.ts";
import { POLL_MS } from "../poll.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const reporter = join(root, "test/support/closing-reporter.ts");

/** Runs vitest on files of the test's own, and gives what it prints beside its own report. */
async function closingOf(files: Record<string, string>, ...options: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "footbridge-closing-reporter-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  const config = `import { ClosingReporter } from ${JSON.stringify(reporter)};
    export default { test: { include: ["**/*.case.ts"], exclude: [], reporters: [new ClosingReporter()] } };`;
  await writeFile(join(folder, "vitest.config.ts"), config);
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, `${name}.case.ts`), `import { describe, test } from "vitest";\n${text}`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { stdout, exitCode } = await run([process.execPath, vitest, "run", "--root", folder, ...options], {
    timeoutMs: POLL_MS,
    okExitCodes: [1],
  });
  return { lines: stdout.split("\n").filter(Boolean), exitCode };
}

test("passes, failures and skips are counted, and each skip gives its reason", async () => {
  const { lines, exitCode } = await closingOf({
    some: `
      test("passes", () => {});
      test("passes, too", () => {});
      test("fails", () => { throw new Error("no"); });
      test("has a reason", (context) => context.skip("no KVM here"));
      test.skip("has none", () => {});`,
  });
  expect(lines).toEqual([
    "skipped: has a reason: no KVM here",
    "skipped: has none: no reason was given; give one with `context.skip(reason)`",
    "2 passed, 1 failed, 2 skipped",
  ]);
  expect(exitCode).toBe(1);
});

test("those that -t left out are counted and told as one number, skips of its own with their reason", async () => {
  const { lines, exitCode } = await closingOf(
    {
      some: `
        test("passes", () => {});
        describe("a cluster", () => {
          test("passes", () => {});
          test("has a reason", (context) => context.skip("no KVM here"));
          test.skip("has none", () => {});
        });
        test("fails", () => { throw new Error("no"); });`,
    },
    "-t",
    "^a cluster (passes|has)",
  );
  expect(lines).toEqual([
    "skipped: a cluster > has a reason: no KVM here",
    "skipped: a cluster > has none: no reason was given; give one with `context.skip(reason)`",
    "left out by -t: 2",
    "1 passed, 0 failed, 4 skipped",
  ]);
  expect(exitCode).toBe(0);
});

test("a file that can't be loaded and an error outside of any test are failures", async () => {
  const { lines, exitCode } = await closingOf({
    broken: `throw new Error("not loaded");`,
    stray: `test("passes", () => void Promise.reject(new Error("nobody waits for this")));`,
  });
  expect(lines.at(-1)).toBe("1 passed, 2 failed, 0 skipped");
  expect(exitCode).toBe(1);
});

test("with nothing wrong there is one line, and success", async () => {
  const { lines, exitCode } = await closingOf({ good: `test("passes", () => {});` });
  expect(lines).toEqual(["1 passed, 0 failed, 0 skipped"]);
  expect(exitCode).toBe(0);
});
