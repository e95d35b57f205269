import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { LabError } from "../../sandboxes/errors.ts";
import { BootWatch } from "../../sandboxes/machine/boot-watch.ts";
import type { SupervisorStatus } from "../../sandboxes/machine/supervisor.ts";

const PRINTED = "[  OK  ] Reached target\r\n\u001b[1mwaiting\u001b[0m for the disk\r\n\r\n";

interface Way {
  isUp?: boolean;
  printsMore?: boolean;
  /** It is, after a reset. */
  comesUp?: boolean;
  /** Signals by which QEMU ends, one boot after the other. */
  endsBy?: string[];
  /** Logins that fail before one succeeds. */
  refusals?: number;
}

/** A boot lasts as long as is waited for its guest, and takes no time. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** A guest whose boot stands still until its reset button is pressed, or for ever, unless it has another way. */
function createGuest(way: Way = {}) {
  const ends = [...(way.endsBy ?? [])];
  let consoleBytes = 100;
  let resets = 0;
  let starts = 0;
  let refusals = way.refusals ?? 0;
  const watch = new BootWatch({
    engine: { exec: async () => ({ exitCode: 0, stdout: PRINTED, stderr: "" }) } as unknown as Engine,
    container: "vm",
    sandboxId: "s-1",
    accelerator: "tcg",
    patience: { bootMs: 600, stillMs: 20 },
    supervisor: {
      awaitGuest: async (timeoutMs) => {
        if (way.isUp || (resets > 0 && way.comesUp)) return "answers";
        if (way.endsBy) return ends.length > 0 ? "off" : "answers";
        vi.advanceTimersByTime(timeoutMs);
        // A watch that never gives up then fails at the test's own deadline.
        await nextTurn();
        return "late";
      },
      status: async () => {
        if (way.printsMore) consoleBytes += 1;
        const signal = ends.shift() ?? null;
        const last = { exitCode: null, signal, reason: null, said: "Assertion failed" };
        return { consoleBytes, last, qemu: way.endsBy ? null : {} } as SupervisorStatus;
      },
      markReady: async () => {},
    },
    place: {
      exec: async () => {
        refusals -= 1;
        if (refusals >= 0) throw new LabError("machine_failed", "connection timed out");
        return { exitCode: 0, stdout: "", stderr: "" };
      },
    },
    reset: async () => {
      resets += 1;
    },
    powerOn: async () => {
      starts += 1;
    },
  });
  return { watch, resets: () => resets, starts: () => starts };
}

test("a first boot that stands still is reset, and goes on", async () => {
  const { watch, resets } = createGuest({ comesUp: true });
  watch.forget({ isFirst: true });
  await watch.login();
  expect(resets()).toBe(1);
});

test("one that stands still again is given up, with what its console printed last", async () => {
  const { watch, resets } = createGuest();
  watch.forget({ isFirst: true });
  await expect(watch.login()).rejects.toMatchObject({
    code: "timed_out",
    message: expect.stringMatching(/ends with: \[ {2}OK {2}\] Reached target \/ waiting for the disk$/),
  });
  expect(resets()).toBe(1);
});

test("a first boot that prints on is let be", async () => {
  const { watch, resets } = createGuest({ printsMore: true });
  watch.forget({ isFirst: true });
  await expect(watch.login()).rejects.toMatchObject({ code: "timed_out" });
  expect(resets()).toBe(0);
});

test("a later boot is not reset: somebody may be at its console, mending it", async () => {
  const { watch, resets } = createGuest();
  watch.forget();
  await expect(watch.login()).rejects.toMatchObject({ code: "timed_out" });
  expect(resets()).toBe(0);
});

test("QEMU that crashes in a boot is started again, and given up when it crashes once more", async () => {
  const once = createGuest({ endsBy: ["SIGABRT"] });
  await once.watch.login();
  expect(once.starts()).toBe(1);

  const twice = createGuest({ endsBy: ["SIGABRT", "SIGSEGV"] });
  await expect(twice.watch.login()).rejects.toMatchObject({
    code: "machine_failed",
    message: expect.stringContaining("Assertion failed"),
  });
  expect(twice.starts()).toBe(1);
});

test("QEMU that somebody killed stays off", async () => {
  const { watch, starts } = createGuest({ endsBy: ["SIGKILL"] });
  await expect(watch.login()).rejects.toMatchObject({ code: "machine_failed" });
  expect(starts()).toBe(0);
});

test("a connection that breaks before somebody could log in is made again", async () => {
  await createGuest({ isUp: true, refusals: 2 }).watch.login();
});

test("one that breaks since QEMU has ended is not", async () => {
  const { watch } = createGuest({ endsBy: [], refusals: 1 });
  await expect(watch.login()).rejects.toThrow("connection timed out");
});
