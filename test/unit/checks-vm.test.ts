import { expect, test } from "vitest";
import type { ExecOptions, ExecResult } from "../../sandboxes/engine/engine.ts";
import type { Place } from "../../sandboxes/place.ts";
import { run } from "../../sandboxes/run.ts";
import type { CheckOf } from "../../server/checks/check.ts";
import { judgeFileSystem, readFileSystem } from "../../server/checks/vm/file-system.ts";
import { judgeFirewallAfterBoot } from "../../server/checks/vm/judge-firewall.ts";
import { judgeUnitActive, judgeUnitEnabled, readProperties } from "../../server/checks/vm/unit.ts";
import { createVmObserver } from "../../server/checks/vm/vm-observer.ts";
import type { Outcome } from "../../server/checks/words.ts";
import { inventoryFileSystem } from "../support/inventory-file-system.ts";

const found = (outcome: Outcome | undefined) =>
  outcome?.state === "failed" ? outcome.found.en : outcome?.state;

const active: CheckOf<"unit_active"> = { kind: "unit_active", unit: "inventory-api.service", forMs: 1_000 };
const enabled: CheckOf<"unit_enabled"> = { kind: "unit_enabled", unit: "inventory-api.service" };

/** As `systemctl show` prints it on Debian 13. */
const running = {
  ...readProperties(
    "NRestarts=0\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\nActiveEnterTimestampMonotonic=30130412\n",
  ),
  uptimeMs: "92000",
};

test("a unit runs when it has been active for a while", () => {
  expect(judgeUnitActive(active, running).state).toBe("passed");
  const justNow = judgeUnitActive(active, { ...running, uptimeMs: "30500" });
  expect(found(justNow)).toContain("whether it stays up is not known yet");
  expect(justNow.mayChangeSoon).toBe(true);
});

test.each([
  [
    { ActiveState: "failed", SubState: "failed", Result: "exit-code" },
    "it is `failed (failed)`, result `exit-code`",
  ],
  [{ ActiveState: "inactive", SubState: "dead" }, "it is `inactive (dead)`"],
  [{ ActiveState: "activating", SubState: "auto-restart", NRestarts: "4" }, "started it again 4 times"],
  [{ LoadState: "masked" }, "is masked"],
  [{ LoadState: "not-found" }, "systemd knows no unit"],
])("a unit that does not run: %o", (change, words) => {
  expect(found(judgeUnitActive(active, { ...running, ...change }))).toContain(words);
});

test.each([
  ["enabled", "passed"],
  ["disabled", "after a reboot nobody starts it. That it runs now says nothing"],
  ["enabled-runtime", "enabled in `/run` only"],
  ["masked", "it is masked"],
  ["static", "no `[Install]` section"],
])("a unit that is %s", (state, words) => {
  expect(found(judgeUnitEnabled(enabled, { ...running, UnitFileState: state }))).toContain(words);
});

const fileSystem = { ...inventoryFileSystem, keeps: [{ path: "/srv/inventory/exports", minMib: 400 }] };

function seen(sizes: { fs: number; free: number; lv: number; kept: number; source?: string }) {
  const mount = {
    filesystems: [
      {
        source: sizes.source ?? "/dev/mapper/data-inventory",
        fstype: "ext4",
        size: sizes.fs,
        avail: sizes.free,
      },
    ],
  };
  const lv = {
    vg_name: "data",
    lv_name: "inventory",
    lv_size: String(sizes.lv),
    lv_path: "/dev/data/inventory",
    lv_dm_path: "/dev/mapper/data-inventory",
  };
  const state = readFileSystem(
    fileSystem,
    {
      mount: { exitCode: 0, stdout: JSON.stringify(mount) },
      volumes: {
        exitCode: 0,
        stdout: `  WARNING: a warning\n${JSON.stringify({ report: [{ lv: [lv] }], log: [] })}`,
      },
      kept: [{ exitCode: 0, stdout: `${sizes.kept}\t/srv/inventory/exports\n` }],
    },
    "data/inventory",
  );
  return judgeFileSystem(fileSystem, state).map(found);
}
const MIB = 1024 * 1024;

test("a file system that is full, half grown, grown, or emptied", () => {
  const full = { fs: 510_873_600, free: 0, lv: 512 * MIB, kept: 488 * MIB };
  expect(seen(full)).toEqual([
    "the logical volume has 512 MiB, the file system 487 MiB",
    "0 B free",
    "passed",
  ]);
  expect(seen({ ...full, lv: 2048 * MIB })[0]).toBe(
    "the logical volume has 2.0 GiB, but the file system on it still ends at 487 MiB",
  );
  const grown = { fs: 2_060_000_000, free: 1_500_000_000, lv: 2048 * MIB, kept: 488 * MIB };
  expect(seen(grown)).toEqual(["passed", "passed", "passed"]);
  // 1 GiB for the volume leaves a little less for the file system: its own tables take some.
  expect(seen({ ...grown, fs: 1_030_000_000, lv: 1024 * MIB })[0]).toBe("passed");
  expect(seen({ ...grown, kept: 3 * MIB })[2]).toBe("only 3.0 MiB are left of it");
  expect(seen({ ...grown, source: "/dev/vdc" })).toEqual(["`/dev/vdc` is mounted there, not that volume"]);
});

const afterBoot: CheckOf<"port_after_boot"> = {
  kind: "port_after_boot",
  port: 5432,
  control: 22,
  shut: 9999,
  config: "/etc/nftables.conf",
  unit: "nftables.service",
};

test.each([
  [{ "5432": "open", "22": "open", "9999": "silent" }, "passed"],
  [{ "5432": "silent", "22": "open", "9999": "silent" }, "port 5432 would be shut again after a reboot"],
  [{ "5432": "open", "22": "open", "9999": "open" }, "no firewall any more"],
  [{ "5432": "open", "22": "silent", "9999": "silent" }, "locked out"],
])("the firewall's file, tried out: %o", (ports, words) => {
  expect(found(judgeFirewallAfterBoot(afterBoot, { ports, unitState: "enabled" }))).toContain(words);
});

test("a firewall that nothing loads, or that nft refuses", () => {
  const ports = { "5432": "open", "22": "open", "9999": "silent" };
  expect(found(judgeFirewallAfterBoot(afterBoot, { ports, unitState: "disabled" }))).toContain(
    "nothing loads the file",
  );
  const refused = "/etc/nftables.conf:14:3-8: Error: syntax error";
  expect(found(judgeFirewallAfterBoot(afterBoot, { refused, unitState: "enabled" }))).toContain(refused);
});

/** This host's own shell in place of the VM's: the verifier is the same. */
function localPlace(change: (result: ExecResult) => ExecResult = (result) => result) {
  let trips = 0;
  const exec = async (argv: readonly string[], options: ExecOptions): Promise<ExecResult> => {
    trips += 1;
    const [file = "", ...rest] = argv;
    const { timeoutMs, input = "" } = options;
    const env = { ...process.env, SECRET: "no" } as Record<string, string>;
    return change(await run([file, ...rest], { timeoutMs, input, env }));
  };
  return { place: { role: "vm", exec } as unknown as Place, trips: () => trips };
}

test("what is asked in one turn goes in one trip, with a clean environment", async () => {
  const { place, trips } = localPlace();
  const vm = createVmObserver(() => place);
  const [echo, status, fed, env] = await Promise.all([
    vm.observe(["/usr/bin/printf", "%s\n%s", "it's", "$HOME"]),
    vm.observe(["/bin/sh", "-c", "exit 3"]),
    vm.observe(["/bin/cat"], "line 1\nline 2"),
    vm.observe(["/usr/bin/env"]),
  ]);
  expect(echo).toEqual({ exitCode: 0, stdout: "it's\n$HOME" });
  expect(status.exitCode).toBe(3);
  expect(fed.stdout).toBe("line 1\nline 2\n");
  expect(env.stdout).not.toContain("SECRET");
  expect(trips()).toBe(1);
});

test("an answer that breaks off is an error of the check, not the learner's", async () => {
  const { place } = localPlace((result) => ({ ...result, stdout: result.stdout.slice(0, -4) }));
  const vm = createVmObserver(() => place);
  await expect(vm.observe(["/usr/bin/true"])).rejects.toThrow("broke off");
  await expect(createVmObserver(() => undefined).observe(["/usr/bin/true"])).rejects.toThrow("not there yet");
});

test("a command that prints more than any verifier asks for is an error of its own, not of its neighbours", async () => {
  const { place } = localPlace();
  const vm = createVmObserver(() => place);
  const [flood, fine] = await Promise.allSettled([
    vm.observe(["/usr/bin/head", "-c", "1048577", "/dev/zero"]),
    vm.observe(["/usr/bin/printf", "fine"]),
  ]);
  expect(flood).toMatchObject({ reason: { code: "check_errored" } });
  expect(fine).toMatchObject({ value: { stdout: "fine" } });
});
