import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import type { Browser } from "./browser.ts";
import { attemptOf, type LabServer } from "./lab-server.ts";

/** Asks for an attempt, which may have to wait for room. */
export const start = (browser: Browser, labId = "stub-lab") =>
  browser.ask(routes.startAttempt, { json: { labId } });

/** Asks for what a learner may do with an attempt as a whole. */
export const change = (
  browser: Browser,
  action: "reset" | "extend" | "end" | "repair",
  attemptId: string,
) => {
  const route = {
    reset: routes.resetAttempt,
    extend: routes.extendAttempt,
    end: routes.endAttempt,
    repair: routes.repair,
  };
  return browser.ask(route[action], { parameters: { attemptId } });
};

/** Solves a task as a learner does: in the sandbox. */
export async function solve(server: LabServer, view: AttemptView, taskId: string): Promise<void> {
  const home = server.stub.sandboxes.get(view.sandbox?.id ?? "")?.machine()?.place.home ?? "";
  await writeFile(join(home, taskId), "");
}

/** How a task of an attempt stands. */
export const stateOf = (view: AttemptView, taskId: string) =>
  view.tasks.find(({ id }) => id === taskId)?.state;

/** Waits until the server has seen that a task is solved. */
export async function untilPassed(browser: Browser, attemptId: string, taskId: string): Promise<void> {
  await poll(
    async () => stateOf(await attemptOf(browser, attemptId), taskId) === "passed",
    `${taskId} passed`,
  );
}
