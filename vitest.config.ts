import { defineConfig } from "vitest/config";
import { POLL_MS } from "./test/poll.ts";
import { ClosingReporter } from "./test/support/closing-reporter.ts";
import { LongestFirst } from "./test/support/longest-first.ts";

/** Seconds that emulation may take for one step of a real VM. */
const EMULATED_STEP_MS = 600_000;

/** A server, a VM or a cluster mostly waits, for itself or for another: two share two cores well, three do not. */
const AT_ONCE = 2;

/** Longer than a wait in it, which then ends first and tells what was waited for. */
const LIGHT_TEST_MS = 2 * POLL_MS;

/** Real servers, shells and browsers, but no VM and no cluster: several may run at a time. */
const LIGHT = [
  "test/e2e/pages-*.test.ts",
  "test/integration/server-{access,attempt-sandboxes,attempts,files,observe}.test.ts",
  "test/integration/server-{proxy,restart,sockets,tls,web-services}.test.ts",
  "test/integration/terminal-{holder,holder-flow,hub,hub-outages,page,page-streams}.test.ts",
];

/** The emulated cluster needs all of two cores to itself. */
const ALONE = ["test/integration/cluster-nested.test.ts"];

export default defineConfig({
  test: {
    reporters: ["default", new ClosingReporter()],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: LIGHT_TEST_MS,
          maxWorkers: AT_ONCE,
          // A second, as it is by itself, is soon over on a busy host.
          expect: { poll: { timeout: POLL_MS } },
        },
      },
      {
        test: {
          name: "light",
          include: LIGHT,
          testTimeout: LIGHT_TEST_MS,
          hookTimeout: LIGHT_TEST_MS,
          maxWorkers: AT_ONCE,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts", "test/labs/**/*.test.ts", "test/e2e/**/*.test.ts"],
          exclude: [...LIGHT, ...ALONE],
          testTimeout: EMULATED_STEP_MS,
          hookTimeout: EMULATED_STEP_MS,
          maxWorkers: AT_ONCE,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "alone",
          include: ALONE,
          testTimeout: EMULATED_STEP_MS,
          hookTimeout: EMULATED_STEP_MS,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
