import type { ProgressEvent, SandboxReport, SandboxStep } from "../progress.ts";

export type BringUpStep = ProgressEvent<SandboxStep> & { elapsedMs: number };

/** Keeps the latest event of each named step, in order of appearance, with the time it has taken. */
export class BringUpSteps {
  readonly #steps = new Map<
    string,
    { event: ProgressEvent<SandboxStep>; startedAt: number; endedAt: number | undefined }
  >();
  readonly #onEvent: () => void;

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  readonly report: SandboxReport = (event) => {
    const now = Date.now();
    const isOver = event.state === "done" || event.state === "failed";
    const known = event.state === "started" ? undefined : this.#steps.get(event.step);
    this.#steps.set(event.step, {
      event,
      startedAt: known?.startedAt ?? now,
      endedAt: isOver ? now : undefined,
    });
    this.#onEvent();
  };

  list(): BringUpStep[] {
    const now = Date.now();
    return [...this.#steps.values()].map(({ event, startedAt, endedAt }) => ({
      ...event,
      elapsedMs: (endedAt ?? now) - startedAt,
    }));
  }
}
