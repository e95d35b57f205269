import { describe, expect, onTestFinished, test } from "vitest";
import type { Attempt, Evidence, Person, Store } from "../../server/store/store.ts";

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 12, 0, second, 7));

export const ada: Person = { id: "ada", name: "Ada", role: "learner", createdAt: at(0) };
const grace: Person = { id: "grace", name: "Grace", role: "instructor", createdAt: at(1) };

export const attempt: Attempt = {
  id: "a1",
  personId: "ada",
  labId: "lab",
  sandboxId: undefined,
  round: 1,
  isPrepared: { vm: false, cluster: false },
  startedAt: at(2),
  endsAt: at(50),
  extensions: 0,
  lastActivityAt: at(2),
  endedAt: undefined,
};

const evidence: Evidence = {
  attemptId: "a1",
  taskId: "t1",
  round: 1,
  state: "failed",
  conditions: [
    {
      state: "failed",
      label: { en: "Service", zh: "服务" },
      expected: { en: "active", zh: "运行" },
      found: { en: "failed", zh: "失败" },
    },
  ],
  checkedAt: at(10),
  tookMs: 12.5,
  hintsUsed: 1,
};

/** What every store promises. `open` gives an empty one. */
export function describeStore(name: string, open: () => Promise<Store>): void {
  const opened = async () => {
    const store = await open();
    onTestFinished(() => store[Symbol.asyncDispose]());
    return store;
  };
  const withAttempt = async () => {
    const store = await opened();
    await store.addPerson(ada);
    await store.addAttempt(attempt);
    return store;
  };

  describe(`store: ${name}`, () => {
    test("people come back as they were", async () => {
      const store = await opened();
      await store.addPerson(ada);
      await store.addPerson(grace);
      expect(await store.person("ada")).toEqual(ada);
      expect(await store.person("grace")).toEqual(grace);
      expect(await store.person("nobody")).toBeUndefined();
    });

    test("a session leads to its person until it expires or is removed", async () => {
      const store = await opened();
      await store.addPerson(ada);
      await store.addSession({ idHash: "h1", personId: "ada", expiresAt: at(20) });
      await store.addSession({ idHash: "h2", personId: "ada", expiresAt: at(30) });
      expect(await store.personOfSession("h1", at(19))).toEqual(ada);
      expect(await store.personOfSession("h1", at(20))).toBeUndefined();
      await store.removeSession("h2");
      expect(await store.personOfSession("h2", at(3))).toBeUndefined();
    });

    test("only expired sessions are cleared away", async () => {
      const store = await opened();
      await store.addPerson(ada);
      await store.addSession({ idHash: "old", personId: "ada", expiresAt: at(20) });
      await store.addSession({ idHash: "new", personId: "ada", expiresAt: at(30) });
      await store.removeExpiredSessions(at(25));
      expect(await store.personOfSession("old", at(0))).toBeUndefined();
      expect(await store.personOfSession("new", at(0))).toEqual(ada);
    });

    test("a token is spent once, in time, and a newer one replaces it", async () => {
      const store = await opened();
      expect(await store.spendToken("never made", at(0))).toBe(false);
      await store.replaceToken({ hash: "t1", expiresAt: at(20) });
      await store.replaceToken({ hash: "t2", expiresAt: at(20) });
      expect(await store.spendToken("t1", at(0))).toBe(false);
      expect(await store.spendToken("t2", at(0))).toBe(true);
      expect(await store.spendToken("t2", at(0))).toBe(false);
      await store.replaceToken({ hash: "t3", expiresAt: at(20) });
      expect(await store.spendToken("t3", at(20))).toBe(false);
    });

    test("an attempt comes back as it was, and after changes with them alone", async () => {
      const store = await withAttempt();
      expect(await store.attempt("a1")).toEqual(attempt);
      const change = {
        sandboxId: "s1",
        isPrepared: { vm: true, cluster: false },
        extensions: 2,
        endsAt: at(59),
      };
      await store.updateAttempt("a1", change);
      const changed = { ...attempt, ...change };
      expect(await store.attempt("a1")).toEqual(changed);
      await store.updateAttempt("a1", { sandboxId: undefined, round: 2 });
      expect(await store.attempt("a1")).toEqual({ ...changed, sandboxId: undefined, round: 2 });
      await store.updateAttempt("a1", {});
      expect(await store.attempt("a1")).toEqual({ ...changed, sandboxId: undefined, round: 2 });
    });

    test("a person has one open attempt at a time", async () => {
      const store = await withAttempt();
      await expect(store.addAttempt({ ...attempt, id: "a2" })).rejects.toThrow();
      await store.updateAttempt("a1", { endedAt: at(30) });
      expect(await store.openAttemptOf("ada")).toBeUndefined();
      await store.addAttempt({ ...attempt, id: "a2" });
      expect((await store.openAttemptOf("ada"))?.id).toBe("a2");
    });

    test("open attempts come oldest first", async () => {
      const store = await withAttempt();
      await store.addPerson(grace);
      await store.addAttempt({ ...attempt, id: "a0", personId: "grace", startedAt: at(1) });
      expect((await store.openAttempts()).map(({ id }) => id)).toEqual(["a0", "a1"]);
      await store.updateAttempt("a0", { endedAt: at(5) });
      expect((await store.openAttempts()).map(({ id }) => id)).toEqual(["a1"]);
    });

    test("the latest evidence of a task counts, and one that passed stays", async () => {
      const store = await withAttempt();
      await store.addEvidence(evidence);
      await store.addEvidence({ ...evidence, state: "errored", checkedAt: at(11) });
      expect((await store.latestEvidence("a1", 1)).map(({ state }) => state)).toEqual(["errored"]);
      const passed: Evidence = { ...evidence, state: "passed", conditions: [], checkedAt: at(12) };
      await store.addEvidence(passed);
      await store.addEvidence({ ...evidence, checkedAt: at(13) });
      expect(await store.latestEvidence("a1", 1)).toEqual([passed]);
    });

    test("evidence of one round says nothing of another", async () => {
      const store = await withAttempt();
      await store.addEvidence({ ...evidence, state: "passed" });
      await store.addEvidence({ ...evidence, round: 2 });
      expect(await store.latestEvidence("a1", 2)).toEqual([{ ...evidence, round: 2 }]);
      expect(await store.latestEvidence("a1", 3)).toEqual([]);
    });

    test("hints are revealed one by one, and no more than there are", async () => {
      const store = await withAttempt();
      expect(await store.revealHint("a1", "t1", 2, at(1))).toBe(1);
      expect(await store.revealHint("a1", "t1", 2, at(2))).toBe(2);
      expect(await store.revealHint("a1", "t1", 2, at(3))).toBe(2);
      expect(await store.revealHint("a1", "t2", 2, at(3))).toBe(1);
      expect(await store.hintsRevealed("a1")).toEqual(
        new Map([
          ["t1", 2],
          ["t2", 1],
        ]),
      );
    });

    test("of two who set a value the first one's is kept", async () => {
      const store = await opened();
      expect(await store.setting("key")).toBeUndefined();
      expect(await store.settingOr("key", "first")).toBe("first");
      expect(await store.settingOr("key", "second")).toBe("first");
      expect(await store.setting("key")).toBe("first");
    });
  });
}
