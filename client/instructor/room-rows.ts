import type { RoomView } from "../../server/protocol/views.ts";

export type Row = RoomView["rows"][number];

export type SortKey = "attention" | "learner" | "lab" | "progress" | "activity" | "sandbox" | "left";

export interface Sort {
  key: SortKey;
  isDescending: boolean;
}

/** Whether something is wrong that the learner can hardly mend alone. */
export function needsAttention({ attempt }: Row): boolean {
  return (
    attempt.state === "running" &&
    (attempt.sandbox?.phase === "degraded" || attempt.sandbox?.phase === "failed")
  );
}

export function passedCount({ attempt }: Row): number {
  return attempt.tasks.filter((task) => task.state === "passed").length;
}

export function isFinished(row: Row): boolean {
  return row.attempt.tasks.length > 0 && passedCount(row) === row.attempt.tasks.length;
}

const compare: Record<SortKey, (a: Row, b: Row) => number> = {
  attention: (a, b) => Number(needsAttention(b)) - Number(needsAttention(a)),
  learner: (a, b) => a.attempt.learner.localeCompare(b.attempt.learner),
  lab: (a, b) => a.attempt.labTitle.localeCompare(b.attempt.labTitle),
  progress: (a, b) => passedCount(a) - passedCount(b),
  activity: (a, b) => a.lastActivityAt.localeCompare(b.lastActivityAt),
  sandbox: (a, b) => (a.attempt.sandbox?.phase ?? "").localeCompare(b.attempt.sandbox?.phase ?? ""),
  left: (a, b) => a.attempt.endsAt.localeCompare(b.attempt.endsAt),
};

/** The rows whose learner's name holds `filter`, sorted; equal ones by name, so that rows don't jump. */
export function shownRows(rows: readonly Row[], filter: string, sort: Sort): Row[] {
  const wanted = filter.trim().toLocaleLowerCase();
  const direction = sort.isDescending ? -1 : 1;
  return rows
    .filter((row) => row.attempt.learner.toLocaleLowerCase().includes(wanted))
    .sort((a, b) => direction * compare[sort.key](a, b) || compare.learner(a, b));
}
