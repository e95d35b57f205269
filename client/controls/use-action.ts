import { useLayoutEffect, useRef, useState, useTransition } from "react";

/** Work that somebody set off: whether it goes on, and how it failed last. */
export interface Action<Arguments extends unknown[]> {
  /**
   * Runs the work of the latest render, even if this `run` was taken earlier. Does nothing once the component is gone.
   */
  run(...args: Arguments): void;
  isPending: boolean;
  /** What the last run threw; gone when the next begins. */
  error: unknown;
  /** The arguments of the run that goes on. */
  running: Arguments | undefined;
}

/**
 * Runs work one at a time and keeps its failure for the page to show. The work must not ask the reader anything: React
 * shows what it changes only when it is done.
 */
export function useAction<Arguments extends unknown[]>(
  work: (...args: Arguments) => Promise<void>,
): Action<Arguments> {
  const [isPending, startTransition] = useTransition();
  const latest = useRef<{ work: typeof work; isPending: boolean } | undefined>(undefined);
  useLayoutEffect(() => {
    latest.current = { work, isPending };
    return () => {
      latest.current = undefined;
    };
  });
  const [error, setError] = useState<unknown>(undefined);
  const [running, setRunning] = useState<Arguments | undefined>(undefined);
  return {
    isPending,
    error,
    running: isPending ? running : undefined,
    run(...args) {
      const now = latest.current;
      if (!now || now.isPending) return;
      setError(undefined);
      setRunning(args);
      startTransition(async () => {
        try {
          await now.work(...args);
        } catch (failure) {
          startTransition(() => setError(failure));
        }
      });
    },
  };
}
