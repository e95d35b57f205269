import type { DatabaseSync } from "node:sqlite";

/** Each entry takes the database from the version before it to its own; never changed once released, only added to. */
const migrations: readonly string[] = [
  `
  CREATE TABLE people (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('learner', 'instructor')),
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE sessions (
    id_hash TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id),
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sessions_by_expiry ON sessions (expires_at);

  CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id),
    lab_id TEXT NOT NULL,
    sandbox_id TEXT,
    round INTEGER NOT NULL,
    is_prepared INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    extensions INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX one_open_attempt_per_person ON attempts (person_id) WHERE ended_at IS NULL;

  CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    task_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('passed', 'failed', 'errored')),
    conditions TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    took_ms REAL NOT NULL,
    hints_used INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX evidence_by_task ON evidence (attempt_id, round, task_id);

  CREATE TABLE hints (
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    task_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    revealed_at INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, task_id, number)
  ) STRICT;

  CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE attempts ADD COLUMN is_vm_prepared INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE attempts ADD COLUMN is_cluster_prepared INTEGER NOT NULL DEFAULT 0;
  UPDATE attempts SET is_vm_prepared = is_prepared, is_cluster_prepared = is_prepared;
  ALTER TABLE attempts DROP COLUMN is_prepared;
  `,
];

/**
 * Brings the database to this program's version, each step in a transaction of its own.
 * @throws Error where a newer program wrote it.
 */
export function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version ?? 0);
  if (version > migrations.length)
    throw new Error(`it was written by a newer version (${version}, this one knows ${migrations.length})`);
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    database.exec(`BEGIN IMMEDIATE; ${sql} PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}
