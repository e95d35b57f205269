import { useSyncExternalStore } from "react";

const TICK_MS = 1_000;

let serverOffsetMs = 0;
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

/** Learns from a `Date` header how far this browser's clock is off; a wrong clock must not cost a learner time. */
export function learnServerTime(dateHeader: string | null): void {
  const serverMs = dateHeader ? Date.parse(dateHeader) : Number.NaN;
  // The header has whole seconds: what is off by less is the header's own coarseness.
  if (!Number.isNaN(serverMs) && Math.abs(serverMs - Date.now() - serverOffsetMs) > 2_000)
    serverOffsetMs = serverMs - Date.now();
}

/** The lab server's time now, in milliseconds since the epoch. */
export function serverNow(): number {
  return Date.now() + serverOffsetMs;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  nowMs = serverNow();
  timer ??= setInterval(() => {
    nowMs = serverNow();
    for (const tell of listeners) tell();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The lab server's time, anew every second. */
export function useServerNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}
