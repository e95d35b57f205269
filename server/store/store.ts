import type { LocalizedCondition } from "../checks/verdict.ts";
import type { WorldName } from "../labs/lab.ts";
import type { Role } from "../protocol/views.ts";

export interface Person {
  id: string;
  name: string;
  role: Role;
  createdAt: Date;
}

export interface Attempt {
  id: string;
  personId: string;
  labId: string;
  /** Absent while queued and after the end. */
  sandboxId: string | undefined;
  /** Begins at 1; each reset starts another, in which no task is passed yet. */
  round: number;
  /** Whether the lab's set-up has run in that world of the sandbox, and so the learner may have worked in it. */
  isPrepared: Record<WorldName, boolean>;
  startedAt: Date;
  endsAt: Date;
  extensions: number;
  lastActivityAt: Date;
  endedAt: Date | undefined;
}

/** What a check saw, kept as evidence: when, how long, what was found, hints used until then. */
export interface Evidence {
  attemptId: string;
  taskId: string;
  /** Round of the attempt it was seen in. */
  round: number;
  state: "passed" | "failed" | "errored";
  conditions: LocalizedCondition[];
  checkedAt: Date;
  tookMs: number;
  hintsUsed: number;
}

/**
 * People, attempts and evidence: only what cannot be derived from Docker. Asynchronous, so that a database server can
 * stand behind it. Each method is one transaction.
 */
export interface Store extends AsyncDisposable {
  addPerson(person: Person): Promise<void>;
  person(id: string): Promise<Person | undefined>;
  addSession(session: { idHash: string; personId: string; expiresAt: Date }): Promise<void>;
  personOfSession(idHash: string, now: Date): Promise<Person | undefined>;
  removeSession(idHash: string): Promise<void>;
  removeExpiredSessions(now: Date): Promise<void>;
  /** Makes a one-time token valid; earlier ones that were not used no longer are. */
  replaceToken(token: { hash: string; expiresAt: Date }): Promise<void>;
  /** True once per valid token: the second use of a one-time token is refused. */
  spendToken(tokenHash: string, now: Date): Promise<boolean>;
  addAttempt(attempt: Attempt): Promise<void>;
  updateAttempt(id: string, change: Partial<Omit<Attempt, "id" | "personId" | "labId">>): Promise<void>;
  attempt(id: string): Promise<Attempt | undefined>;
  openAttemptOf(personId: string): Promise<Attempt | undefined>;
  openAttempts(): Promise<Attempt[]>;
  addEvidence(evidence: Evidence): Promise<void>;
  /** The latest evidence of each task in that round, passed ones winning. */
  latestEvidence(attemptId: string, round: number): Promise<Evidence[]>;
  /** Shows one hint more, at most `limit`, and says how many are shown now. */
  revealHint(attemptId: string, taskId: string, limit: number, at: Date): Promise<number>;
  hintsRevealed(attemptId: string): Promise<Map<string, number>>;
  setting(key: string): Promise<string | undefined>;
  /** Keeps `value` unless there is one already; says which one is kept. */
  settingOr(key: string, value: string): Promise<string>;
}
