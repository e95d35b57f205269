import { setTimeout as delay } from "node:timers/promises";

/** Asks again until the answer is yes; fails with `what` after `timeoutMs`. */
export async function poll(
  ask: () => Promise<boolean> | boolean,
  what: string,
  options: { timeoutMs?: number; pauseMs?: number } = {},
): Promise<void> {
  const { timeoutMs = 60_000, pauseMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await delay(pauseMs);
  }
}
