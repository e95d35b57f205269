import type { Engine } from "../engine/engine.ts";
import { qmp } from "./qmp.ts";
import type { Supervisor } from "./supervisor.ts";

/** As often as an administrator would try. */
const PRESS_EVERY_MS = 5_000;

/**
 * Presses the power button until the guest has shut down, since a press is lost on one that does not listen to it yet.
 * @returns whether QEMU ended within `graceMs`.
 */
export async function pressPowerButton(
  deps: { engine: Engine; container: string; supervisor: Pick<Supervisor, "awaitOff"> },
  graceMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + graceMs;
  await qmp(deps, "system_powerdown");
  for (;;) {
    const restMs = deadline - performance.now();
    if (await deps.supervisor.awaitOff(Math.max(0, Math.min(restMs, PRESS_EVERY_MS)), signal)) return true;
    if (restMs <= PRESS_EVERY_MS) return false;
    // It may end at this very moment.
    await qmp(deps, "system_powerdown").catch(() => {});
  }
}
