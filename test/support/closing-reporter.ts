import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Closes the run with one line that people and CI read, `N passed, N failed, N skipped`, and before it the reason of
 * each skip. A file that could not even be loaded counts as failed.
 */
export class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    const reasons: string[] = [];
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === "passed" || state === "failed") count[state] += 1;
        else {
          count.skipped += 1;
          reasons.push(`skipped: ${test.fullName}: ${reasonOf(test)}`);
        }
      }
      if (!module.ok() && !tests.some((test) => test.result().state === "failed")) count.failed += 1;
    }
    count.failed += unhandledErrors.length;
    process.on("exit", () => {
      const lines = [...reasons, `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`];
      process.stdout.write(`\n${lines.join("\n")}\n`);
    });
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  return note ?? "no reason was given; give one with `context.skip(reason)`";
}
