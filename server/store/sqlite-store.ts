import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LabError } from "../../sandboxes/errors.ts";
import { migrate } from "./migrations.ts";
import { attemptColumns, toAttempt, toEvidence, toPerson } from "./rows.ts";
import type { Attempt, Evidence, Person, Store } from "./store.ts";

/** How long a write waits for another process, such as the CLI, to finish its own. */
const BUSY_TIMEOUT_MS = 5_000;

/** SQLite's result code for a disk without room, https://sqlite.org/rescode.html#full */
const SQLITE_FULL = 13;

/**
 * Opens the store in one SQLite file, made and migrated where needed. Its owner alone may read it: it holds the key that
 * signs cookies. With a write-ahead log a killed server loses nothing that was answered.
 * @throws LabError `bad_settings` where the file is not ours or from a newer version.
 */
export async function openSqliteStore(file: string): Promise<Store> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    await chmod(file, 0o600);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    migrate(database);
    return new SqliteStore(database);
  } catch (error) {
    database?.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError("bad_settings", `could not open the store \`${file}\`: ${reason}`, {
      hint: "restore it from a backup, or move it away to begin anew",
      cause: error,
    });
  }
}

/** Each statement is prepared when it runs: SQLite takes microseconds for it, and none is run in a loop. */
class SqliteStore implements Store {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async addPerson({ id, name, role, createdAt }: Person): Promise<void> {
    this.#run("INSERT INTO people VALUES (?, ?, ?, ?)", id, name, role, createdAt.getTime());
  }

  async person(id: string): Promise<Person | undefined> {
    const row = this.#get("SELECT * FROM people WHERE id = ?", id);
    return row && toPerson(row);
  }

  async addSession(session: { idHash: string; personId: string; expiresAt: Date }): Promise<void> {
    this.#run(
      "INSERT INTO sessions VALUES (?, ?, ?)",
      session.idHash,
      session.personId,
      session.expiresAt.getTime(),
    );
  }

  async personOfSession(idHash: string, now: Date): Promise<Person | undefined> {
    const row = this.#get(
      `SELECT people.* FROM sessions JOIN people ON people.id = person_id WHERE id_hash = ? AND expires_at > ?`,
      idHash,
      now.getTime(),
    );
    return row && toPerson(row);
  }

  async removeSession(idHash: string): Promise<void> {
    this.#run("DELETE FROM sessions WHERE id_hash = ?", idHash);
  }

  async removeExpiredSessions(now: Date): Promise<void> {
    this.#run("DELETE FROM sessions WHERE expires_at <= ?", now.getTime());
  }

  async replaceToken({ hash, expiresAt }: { hash: string; expiresAt: Date }): Promise<void> {
    this.#transaction(() => {
      this.#run("DELETE FROM tokens");
      this.#run("INSERT INTO tokens VALUES (?, ?)", hash, expiresAt.getTime());
    });
  }

  async spendToken(tokenHash: string, now: Date): Promise<boolean> {
    return this.#run("DELETE FROM tokens WHERE hash = ? AND expires_at > ?", tokenHash, now.getTime()) > 0;
  }

  async addAttempt(attempt: Attempt): Promise<void> {
    const columns = attemptColumns(attempt);
    const names = Object.keys(columns);
    this.#run(
      `INSERT INTO attempts (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      ...Object.values(columns),
    );
  }

  async updateAttempt(
    id: string,
    change: Partial<Omit<Attempt, "id" | "personId" | "labId">>,
  ): Promise<void> {
    const columns = attemptColumns(change);
    const names = Object.keys(columns);
    if (names.length === 0) return;
    const assignments = names.map((name) => `${name} = ?`).join(", ");
    this.#run(`UPDATE attempts SET ${assignments} WHERE id = ?`, ...Object.values(columns), id);
  }

  async attempt(id: string): Promise<Attempt | undefined> {
    const row = this.#get("SELECT * FROM attempts WHERE id = ?", id);
    return row && toAttempt(row);
  }

  async openAttemptOf(personId: string): Promise<Attempt | undefined> {
    const row = this.#get("SELECT * FROM attempts WHERE person_id = ? AND ended_at IS NULL", personId);
    return row && toAttempt(row);
  }

  async openAttempts(): Promise<Attempt[]> {
    return this.#all("SELECT * FROM attempts WHERE ended_at IS NULL ORDER BY started_at, rowid").map(
      toAttempt,
    );
  }

  async addEvidence(evidence: Evidence): Promise<void> {
    this.#run(
      `INSERT INTO evidence (attempt_id, task_id, round, state, conditions, checked_at, took_ms, hints_used)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      evidence.attemptId,
      evidence.taskId,
      evidence.round,
      evidence.state,
      JSON.stringify(evidence.conditions),
      evidence.checkedAt.getTime(),
      evidence.tookMs,
      evidence.hintsUsed,
    );
  }

  async latestEvidence(attemptId: string, round: number): Promise<Evidence[]> {
    return this.#all(
      `SELECT * FROM (
         SELECT *, row_number() OVER (PARTITION BY task_id ORDER BY state = 'passed' DESC, id DESC) AS nth
         FROM evidence WHERE attempt_id = ? AND round = ?
       ) WHERE nth = 1 ORDER BY id`,
      attemptId,
      round,
    ).map(toEvidence);
  }

  async revealHint(attemptId: string, taskId: string, limit: number, at: Date): Promise<number> {
    return this.#transaction(() => {
      const shown = Number(
        this.#get("SELECT count(*) AS n FROM hints WHERE attempt_id = ? AND task_id = ?", attemptId, taskId)
          ?.n,
      );
      if (shown >= limit) return shown;
      this.#run("INSERT INTO hints VALUES (?, ?, ?, ?)", attemptId, taskId, shown + 1, at.getTime());
      return shown + 1;
    });
  }

  async hintsRevealed(attemptId: string): Promise<Map<string, number>> {
    const rows = this.#all(
      "SELECT task_id, count(*) AS n FROM hints WHERE attempt_id = ? GROUP BY task_id",
      attemptId,
    );
    return new Map(rows.map((row) => [String(row.task_id), Number(row.n)]));
  }

  async setting(key: string): Promise<string | undefined> {
    const row = this.#get("SELECT value FROM settings WHERE key = ?", key);
    return row && String(row.value);
  }

  async settingOr(key: string, value: string): Promise<string> {
    return this.#transaction(() => {
      this.#run("INSERT OR IGNORE INTO settings VALUES (?, ?)", key, value);
      return String(this.#get("SELECT value FROM settings WHERE key = ?", key)?.value);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  #run(sql: string, ...values: (string | number | null)[]): number {
    try {
      return Number(this.#database.prepare(sql).run(...values).changes);
    } catch (error) {
      throw unlessFull(error);
    }
  }

  #get(sql: string, ...values: (string | number)[]) {
    return this.#database.prepare(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number)[]) {
    return this.#database.prepare(sql).all(...values);
  }

  /** SQLite here is synchronous, so nothing comes between. */
  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // At a full disk SQLite may have rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw unlessFull(error);
    }
  }
}

/** A full disk as a `LabError`; anything else as it is. */
function unlessFull(error: unknown): unknown {
  if ((error as { errcode?: unknown }).errcode !== SQLITE_FULL) return error;
  return new LabError("disk_full", "the record can't be written: the lab server's disk is full", {
    hint: "free disk space where the lab server keeps its state; nothing written before is lost",
    cause: error,
  });
}
