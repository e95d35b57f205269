import { LabError } from "./errors.ts";

/** Stops waiting, not the work, when the signal aborts. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {});
  const interrupted = () => new LabError("aborted", "interrupted");
  if (signal.aborted) throw interrupted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Waits until the work is done or has failed, but no longer than this. The work goes on. */
export async function settledWithin(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  await Promise.race([Promise.allSettled([work]), late]);
  clearTimeout(timer);
}
