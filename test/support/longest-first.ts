import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What takes long in its project, the longest first. A clean clone has no figures of an earlier run, and a long file
 * that is begun last leaves one of two processors without work. Those of isolation wait for each other, so they are
 * kept apart.
 */
const LONG = [
  "test/integration/terminal-page.test.ts",
  "test/e2e/pages-learner.test.ts",
  "test/integration/terminal-page-streams.test.ts",
  "test/integration/terminal-hub.test.ts",
  "test/e2e/pages-looks.test.ts",
  "test/e2e/pages-attempt.test.ts",

  "test/integration/fresh-host-air-gapped.test.ts",
  "test/integration/fresh-host-npm-start.test.ts",
  "test/integration/images-fresh-host.test.ts",
  "test/integration/server-crash.test.ts",
  "test/integration/machine.test.ts",
  "test/labs/first-crossing.test.ts",
  "test/e2e/first-crossing.test.ts",
  "test/integration/cluster.test.ts",
  "test/integration/node-image.test.ts",
  "test/integration/isolation-cluster-network.test.ts",
  "test/integration/sandbox.test.ts",
  "test/integration/machine-template.test.ts",
  "test/integration/isolation-machine.test.ts",
  "test/integration/node-image-published.test.ts",
  "test/integration/images-guest.test.ts",
  "test/integration/isolation-network.test.ts",
];

/** Vitest's order within each project, but for the files that are known to take long: those go first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONG.findIndex((name) => moduleId.endsWith(name));
      return index < 0 ? LONG.length : index;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => group(a) - group(b) || rank(a) - rank(b));
  }
}
