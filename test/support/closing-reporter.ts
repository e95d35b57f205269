import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Closes the run with one line that people and CI read, `N passed, N failed, N skipped`, and before it the reason of
 * each skip. Those that `-t` left out are told as one number. A file that could not even be loaded counts as failed.
 */
export class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    const lines: string[] = [];
    let leftOut = 0;
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === "passed" || state === "failed") {
          count[state] += 1;
          continue;
        }
        count.skipped += 1;
        if (isLeftOut(test)) leftOut += 1;
        else lines.push(`skipped: ${test.fullName}: ${reasonOf(test)}`);
      }
      if (!module.ok() && !tests.some((test) => test.result().state === "failed")) count.failed += 1;
    }
    count.failed += unhandledErrors.length;
    if (leftOut > 0) lines.push(`left out by -t: ${leftOut}`);
    lines.push(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
    process.on("exit", () => process.stdout.write(`\n${lines.join("\n")}\n`));
  }
}

/** Whether `-t` asked for others only. Vitest holds it against the names with a blank between them. */
function isLeftOut({ project, fullName }: TestCase): boolean {
  const pattern = project.config.testNamePattern;
  return pattern !== undefined && fullName.replaceAll(" > ", " ").match(pattern) === null;
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  return note ?? "no reason was given; give one with `context.skip(reason)`";
}
