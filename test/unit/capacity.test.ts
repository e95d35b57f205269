import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  computeCapacity,
  readAvailableMemoryMib,
  readFreeDiskMib,
  sandboxMemoryMib,
} from "../../sandboxes/service/capacity.ts";
import { sandboxSettings } from "../support/sandbox-settings.ts";

const settings = { ...sandboxSettings, maxSandboxes: 50 };
const host = {
  ...{ version: "26", cpus: 2, memoryMib: 24_000, cgroupVersion: 2 as const, dataRoot: "/var/lib/docker" },
  ...{ availableMib: 22_000, heldMib: 0, freeDiskMib: 100_000 },
};
const nothing = { sandboxes: 0, memoryMib: 0, cpus: 0 };

test("memory bounds the room: what one sandbox may use, beside what the host keeps", () => {
  expect(sandboxMemoryMib(settings)).toBe(1536 + 512 + 2560 + 256);
  const one = sandboxMemoryMib(settings);
  const capacity = computeCapacity({ ...settings, cpuOvercommit: 100 }, host, nothing);
  expect(capacity.room).toBe(Math.floor((22_000 - 1024) / one));
});

test("a nested sandbox's nodes live in the VM's memory", () => {
  expect(sandboxMemoryMib({ ...settings, placement: "nested" })).toBe(1536 + 512);
});

test("what is promised counts although it is not used yet", () => {
  const promised = { sandboxes: 4, memoryMib: 4 * sandboxMemoryMib(settings), cpus: 16 };
  expect(computeCapacity(settings, host, promised).room).toBe(0);
});

describe("with others at work on the host", () => {
  const one = sandboxMemoryMib(settings);
  const promised = (sandboxes: number) => ({ sandboxes, memoryMib: sandboxes * one, cpus: 0 });
  const free = (availableMib: number, heldMib: number, sandboxes: number) =>
    computeCapacity(settings, { ...host, availableMib, heldMib }, promised(sandboxes)).memoryMib.free;

  test("neither their memory nor what new sandboxes have yet to take is given away", () => {
    expect(free(16_000, 0, 2)).toBe(16_000 - 2 * one - 1024);
    expect(computeCapacity(settings, { ...host, availableMib: 16_000 }, promised(2)).room).toBe(1);
  });

  test("what sandboxes have taken meanwhile changes nothing", () => {
    expect(free(16_000 - 3_000, 3_000, 2)).toBe(free(16_000, 0, 2));
  });

  test("what sandboxes hold beyond their promise is not counted as room", () => {
    expect(free(4_000, 2 * one + 500, 2)).toBe(4_000 - 1024);
  });

  test("a host that is otherwise idle has all its memory for sandboxes but what is kept", () => {
    for (const sandboxes of [0, 1, 2, 3, 4])
      for (const heldEach of [0, 1_100, one]) {
        const heldMib = sandboxes * heldEach;
        expect(free(24_000 - 900 - heldMib, heldMib, sandboxes)).toBe(
          Math.max(0, 24_000 - 2048 - sandboxes * one),
        );
      }
  });
});

test("memory that others use on the host is not given away", () => {
  expect(computeCapacity(settings, { ...host, availableMib: 3_000 }, nothing).room).toBe(0);
});

test("CPUs and the set maximum bound the room too", () => {
  expect(computeCapacity({ ...settings, cpuOvercommit: 2 }, host, nothing).room).toBe(1);
  expect(computeCapacity({ ...settings, maxSandboxes: 2 }, host, { ...nothing, sandboxes: 2 }).room).toBe(0);
});

test("a host whose disk is nearly full has no room, one whose disk is out of sight is believed", () => {
  expect(computeCapacity(settings, { ...host, freeDiskMib: 4095 }, nothing).room).toBe(0);
  expect(computeCapacity(settings, { ...host, freeDiskMib: undefined }, nothing).room).toBeGreaterThan(0);
});

test("free disk is read in MiB, and unknown where there is no such folder", async () => {
  expect(await readFreeDiskMib(tmpdir())).toBeGreaterThan(0);
  expect(await readFreeDiskMib("/nonexistent")).toBeUndefined();
});

test("available memory is read in MiB, and unknown where there is no such file", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "fb-")), "meminfo");
  await writeFile(file, "MemTotal:       24684092 kB\nMemAvailable:   2048000 kB\n");
  expect(await readAvailableMemoryMib(file)).toBe(2000);
  expect(await readAvailableMemoryMib(`${file}.missing`)).toBeUndefined();
});
