import { randomUUID } from "node:crypto";
import type { Attempt } from "../store/store.ts";
import { minutesAfter } from "./minutes-after.ts";

/** What holds of a sandbox that is still to come. */
export const NOT_PREPARED: Attempt["isPrepared"] = { vm: false, cluster: false };

/** An attempt that begins now and has no sandbox yet. */
export function newAttempt(
  { personId, labId }: Pick<Attempt, "personId" | "labId">,
  now: Date,
  attemptMinutes: number,
): Attempt {
  return {
    id: randomUUID(),
    personId,
    labId,
    sandboxId: undefined,
    round: 1,
    isPrepared: NOT_PREPARED,
    startedAt: now,
    endsAt: minutesAfter(now, attemptMinutes),
    extensions: 0,
    lastActivityAt: now,
    endedAt: undefined,
  };
}
