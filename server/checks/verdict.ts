import type { Localized } from "../labs/lab.ts";

/** One condition, in every language; the view picks the reader's. */
export type LocalizedCondition =
  | { state: "passed"; label: Localized }
  | { state: "failed"; label: Localized; expected: Localized; found: Localized; hint?: Localized }
  | { state: "errored"; label: Localized; reason: Localized };

/** `errored` when a condition could not be checked and none failed: never the learner's failure. */
export interface TaskVerdict {
  taskId: string;
  state: "passed" | "failed" | "errored";
  conditions: LocalizedCondition[];
  checkedAt: Date;
  tookMs: number;
}
