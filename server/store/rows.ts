import { z } from "zod";
import type { LocalizedCondition } from "../checks/verdict.ts";
import { Language, Role } from "../protocol/views.ts";
import type { Attempt, Evidence, Person } from "./store.ts";

/** What the tables hold, as the store's own types; a row that is not like that stops here. */
const time = z.number().transform((ms) => new Date(ms));
const maybe = <T extends z.ZodType>(schema: T) => schema.nullable().transform((value) => value ?? undefined);

const PersonRow = z
  .object({ id: z.string(), name: z.string(), role: Role, created_at: time })
  .transform(({ created_at: createdAt, ...rest }): Person => ({ ...rest, createdAt }));

const AttemptRow = z
  .object({
    id: z.string(),
    person_id: z.string(),
    lab_id: z.string(),
    sandbox_id: maybe(z.string()),
    round: z.int(),
    is_vm_prepared: z.int(),
    is_cluster_prepared: z.int(),
    started_at: time,
    ends_at: time,
    extensions: z.int(),
    last_activity_at: time,
    ended_at: maybe(time),
  })
  .transform(
    (row): Attempt => ({
      id: row.id,
      personId: row.person_id,
      labId: row.lab_id,
      sandboxId: row.sandbox_id,
      round: row.round,
      isPrepared: { vm: row.is_vm_prepared === 1, cluster: row.is_cluster_prepared === 1 },
      startedAt: row.started_at,
      endsAt: row.ends_at,
      extensions: row.extensions,
      lastActivityAt: row.last_activity_at,
      endedAt: row.ended_at,
    }),
  );

const Words = z.record(Language, z.string());
const Conditions: z.ZodType<LocalizedCondition[]> = z.array(
  z.discriminatedUnion("state", [
    z.object({ state: z.literal("passed"), label: Words }),
    z.object({
      state: z.literal("failed"),
      label: Words,
      expected: Words,
      found: Words,
      hint: Words.exactOptional(),
    }),
    z.object({ state: z.literal("errored"), label: Words, reason: Words }),
  ]),
);

const EvidenceRow = z
  .object({
    attempt_id: z.string(),
    task_id: z.string(),
    round: z.int(),
    state: z.enum(["passed", "failed", "errored"]),
    conditions: z.string(),
    checked_at: time,
    took_ms: z.number(),
    hints_used: z.int(),
  })
  .transform(
    (row): Evidence => ({
      attemptId: row.attempt_id,
      taskId: row.task_id,
      round: row.round,
      state: row.state,
      conditions: Conditions.parse(JSON.parse(row.conditions)),
      checkedAt: row.checked_at,
      tookMs: row.took_ms,
      hintsUsed: row.hints_used,
    }),
  );

export const toPerson = (row: unknown): Person => PersonRow.parse(row);
export const toAttempt = (row: unknown): Attempt => AttemptRow.parse(row);
export const toEvidence = (row: unknown): Evidence => EvidenceRow.parse(row);

type ColumnValue = string | number | null;
const msColumn = (date: Date): number => date.getTime();

/** Columns of an attempt, for those of its fields that are given. */
export function attemptColumns(attempt: Partial<Attempt>): Record<string, ColumnValue> {
  const columns: Record<string, ColumnValue> = {};
  if (attempt.id !== undefined) columns.id = attempt.id;
  if (attempt.personId !== undefined) columns.person_id = attempt.personId;
  if (attempt.labId !== undefined) columns.lab_id = attempt.labId;
  if ("sandboxId" in attempt) columns.sandbox_id = attempt.sandboxId ?? null;
  if (attempt.round !== undefined) columns.round = attempt.round;
  if (attempt.isPrepared) {
    columns.is_vm_prepared = attempt.isPrepared.vm ? 1 : 0;
    columns.is_cluster_prepared = attempt.isPrepared.cluster ? 1 : 0;
  }
  if (attempt.startedAt) columns.started_at = msColumn(attempt.startedAt);
  if (attempt.endsAt) columns.ends_at = msColumn(attempt.endsAt);
  if (attempt.extensions !== undefined) columns.extensions = attempt.extensions;
  if (attempt.lastActivityAt) columns.last_activity_at = msColumn(attempt.lastActivityAt);
  if ("endedAt" in attempt) columns.ended_at = attempt.endedAt ? msColumn(attempt.endedAt) : null;
  return columns;
}
