import { setTimeout as delay } from "node:timers/promises";

/** How long `poll` waits unless it is told otherwise; tests have more, or they would end without its words. */
export const POLL_MS = 60_000;

/** Asks again until the answer is yes; fails with `what` after `timeoutMs`. */
export async function poll(
  ask: () => Promise<boolean> | boolean,
  what: string,
  options: { timeoutMs?: number; pauseMs?: number } = {},
): Promise<void> {
  const { timeoutMs = POLL_MS, pauseMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await delay(pauseMs);
  }
}
