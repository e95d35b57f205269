import type { AttemptView } from "../../server/protocol/views.ts";
import { useServerNow } from "../clock.ts";
import { Icon } from "../controls/icon.tsx";
import type { Action } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";

/** Times before the end at which the page says that it is near. */
const WARNINGS_MS = [60_000, 5 * 60_000, 15 * 60_000];
/** Seconds show only when they matter; a digit that ticks all day distracts. */
const SECONDS_MS = 5 * 60_000;
const MINUTE_MS = 60_000;

/** Milliseconds until the sandbox ends, and whether that is soon. */
export function useTimeLeft(attempt: AttemptView): { leftMs: number; isSoon: boolean } {
  const leftMs = Math.max(0, Date.parse(attempt.endsAt) - useServerNow());
  return { leftMs, isSoon: leftMs < warningFor(Number.POSITIVE_INFINITY) };
}

/** The smallest warning that still holds: less than so much is left. */
export function warningFor(leftMs: number): number {
  return WARNINGS_MS.find((warningMs) => leftMs < warningMs) ?? Math.max(...WARNINGS_MS);
}

/** The time left, coarse while there is plenty. */
export function shownTimeLeft(leftMs: number): number {
  return leftMs < SECONDS_MS ? leftMs : Math.floor(leftMs / MINUTE_MS) * MINUTE_MS;
}

/** Time left and its extension, in the bar. */
export function RemainingTime({ attempt, extend }: { attempt: AttemptView; extend: Action<[]> }) {
  const { messages, format } = useMessages();
  const { leftMs, isSoon } = useTimeLeft(attempt);
  const step = format.duration(attempt.extensionMinutes * MINUTE_MS);
  return (
    <div className="remaining">
      <span
        className="status numeric"
        data-tone={isSoon ? "warn" : "idle"}
        title={messages.attempt.endsAt(format.dateTime(attempt.endsAt))}
      >
        <Icon name={isSoon ? "triangle" : "clock"} />
        <span>
          {leftMs === 0
            ? messages.attempt.timeOver
            : messages.attempt.left(format.duration(shownTimeLeft(leftMs)))}
        </span>
      </span>
      <button
        type="button"
        className="button small"
        disabled={attempt.extensionsLeft === 0 || extend.isPending}
        title={
          attempt.extensionsLeft === 0
            ? messages.attempt.noExtensions
            : messages.attempt.extensionsLeft(attempt.extensionsLeft)
        }
        onClick={() => extend.run()}
      >
        {extend.isPending ? messages.attempt.extending : messages.attempt.extend(step)}
      </button>
    </div>
  );
}
