import type { Report } from "../progress.ts";

const TOLD_EVERY = 16 * 2 ** 20;

/**
 * Reports bytes as MiB of a whole, at each 16 of them.
 * @param words what to say before and after the whole
 */
export function tellMib<Step extends string>(
  report: Report<Step>,
  step: Step,
  whole: number,
  { before = "", after = "" } = {},
): (moved: number) => void {
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  let told = 0;
  return (moved) => {
    if (moved - told < TOLD_EVERY) return;
    told = moved - (moved % TOLD_EVERY);
    const message = `${mib(moved)} of ${before}${mib(whole)} MiB${after}`;
    report({ step, state: "progress", message, fraction: Math.min(0.99, moved / whole) });
  };
}
