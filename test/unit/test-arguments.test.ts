import { expect, test } from "vitest";
import { readTestArguments } from "../support/test-arguments.ts";

test.each([
  [[], false, []],
  [["--change-docker"], true, []],
  [["test/unit", "--change-docker", "--bail", "1"], true, ["test/unit", "--bail", "1"]],
  [["-t", "change-docker"], false, ["-t", "change-docker"]],
])("%j: the set-up takes its own, vitest gets the rest", (args, mayChangeDocker, forVitest) => {
  expect(readTestArguments(args)).toEqual({ mayChangeDocker, forVitest });
});
