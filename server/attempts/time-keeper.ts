import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { toLabError } from "../../sandboxes/errors.ts";
import type { Settings } from "../settings.ts";
import type { Store } from "../store/store.ts";
import type { Attempts } from "./attempts.ts";
import { minutesAfter } from "./minutes-after.ts";

export interface TimeKeeperDeps {
  attempts: Attempts;
  store: Store;
  settings: Pick<Settings, "idleMinutes">;
  log: Logger;
  clock: () => Date;
  /** How often it looks. */
  tickMs: number;
}

/** Ends attempts that are out of time or lie idle, and gives room that became free to whoever waits. */
export async function keepTime(deps: TimeKeeperDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await tick(deps).catch((error: unknown) => deps.log.error({ err: toLabError(error) }, "tick failed"));
    await setTimeout(deps.tickMs, undefined, { signal }).catch(() => {});
  }
}

async function tick({ attempts, store, settings, log, clock }: TimeKeeperDeps): Promise<void> {
  await attempts.writeActivity();
  for (const attempt of await store.openAttempts()) {
    if (attempt.sandboxId === undefined) continue;
    const now = clock();
    const isOver = now >= attempt.endsAt;
    const isIdle = now >= minutesAfter(attempts.lastActivityOf(attempt), settings.idleMinutes);
    if (!isOver && !isIdle) continue;
    log.info({ attempt: attempt.id, sandbox: attempt.sandboxId, isOver, isIdle }, "attempt ended");
    await attempts.end(attempt.id);
  }
  await attempts.serveWaiting();
}
