import { expect, test } from "vitest";
import { LabError, toLabError } from "../../sandboxes/errors.ts";

test("of a failure and that of the clean-up after it the first is told", async () => {
  const failing = async () => {
    await using _owner = { [Symbol.asyncDispose]: () => Promise.reject(new Error("could not clean up")) };
    throw new LabError("disk_full", "no space left", { hint: "free some" });
  };
  const error = await failing().catch(toLabError);
  expect(error).toMatchObject({ code: "disk_full", message: "no space left", hint: "free some" });
});
