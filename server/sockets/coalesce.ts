/** Work that may be asked for much more often than it is worth doing. */
export interface Coalesced {
  /** Does the work at once, or as soon as the pause since the last time is over. The last ask is never lost. */
  ask(): void;
  stop(): void;
}

/** `work` never runs twice at a time and leaves `pauseMs` between runs. It must handle its own failures. */
export function coalesce(work: () => Promise<void>, pauseMs: number): Coalesced {
  let isBusy = false;
  let isAsked = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const next = () => {
    isBusy = false;
    if (isAsked) start();
  };
  const start = () => {
    if (isStopped) return;
    isBusy = true;
    isAsked = false;
    void work().finally(() => {
      timer = setTimeout(next, pauseMs);
    });
  };
  return {
    ask() {
      isAsked = true;
      if (!isBusy) start();
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
