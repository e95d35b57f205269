import { describe, expect, it } from "vitest";
import type { ContainerState } from "../../sandboxes/engine/engine.ts";
import { bootMessage } from "../../sandboxes/machine/console.ts";
import { checkResize, stateOf } from "../../sandboxes/machine/machine-state.ts";
import { qemuArguments } from "../../sandboxes/machine/qemu-arguments.ts";
import type { SupervisorStatus } from "../../sandboxes/machine/supervisor.ts";
import { containerState } from "../support/container-state.ts";

const container = (change: Partial<ContainerState> = {}) => containerState("fb-x-machine", change);
const status = (more: Partial<SupervisorStatus>): SupervisorStatus => ({
  ...{
    devices: [],
    qemu: null,
    last: null,
    remembered: { uuid: "u", hardware: { cpus: 2, memoryMib: 2048, dataDiskGib: 4 } },
    consoleBytes: 0,
  },
  ...more,
});
const running = { pid: 7, ready: true, runState: "running", seconds: 1 } as const;
const ended = { exitCode: 0, signal: null, reason: "guest-shutdown", said: "" };

describe("a machine's state", () => {
  it("is broken with a remedy when its container is gone or stopped", () => {
    expect(stateOf(undefined, undefined)).toMatchObject({
      power: "broken",
      reason: expect.stringContaining("removed"),
    });
    expect(stateOf(container({ running: false }), undefined)).toMatchObject({
      power: "broken",
      reason: expect.stringContaining("restart of Docker"),
      remedy: expect.stringContaining("power it on"),
    });
    expect(stateOf(container({ running: false, oomKilled: true }), undefined)).toMatchObject({
      reason: expect.stringContaining("memory"),
    });
  });

  it("is broken when a server died while it was made", () => {
    expect(stateOf(container(), status({ remembered: null }))).toMatchObject({
      power: "broken",
      remedy: expect.stringContaining("start over"),
    });
  });

  it("is starting until somebody has logged in, then on", () => {
    expect(stateOf(container(), status({ qemu: { ...running, ready: false } }))).toEqual({
      power: "starting",
    });
    expect(stateOf(container(), status({ qemu: running }))).toEqual({ power: "on" });
  });

  it("is off after an end that was asked for, broken after any other", () => {
    expect(stateOf(container(), status({}))).toEqual({ power: "off" });
    expect(stateOf(container(), status({ last: ended }))).toEqual({ power: "off" });
    const killed = { exitCode: null, signal: "SIGKILL", reason: null, said: "" };
    expect(stateOf(container({ oomKilled: true }), status({ last: killed }))).toMatchObject({
      power: "broken",
      reason: "QEMU was killed (SIGKILL), probably for want of memory",
    });
    const failed = { exitCode: 1, signal: null, reason: null, said: "warning\nno such disk" };
    expect(stateOf(container(), status({ last: failed }))).toMatchObject({
      reason: "QEMU exited with 1: no such disk",
    });
  });

  it("tells a full disk of the host", () => {
    expect(stateOf(container(), status({ qemu: { ...running, runState: "no-space" } }))).toMatchObject({
      power: "broken",
      remedy: expect.stringContaining("free space"),
    });
  });
});

describe("a resize", () => {
  const now = { cpus: 2, memoryMib: 2048, dataDiskGib: 4 };
  it("takes whole, sensible hardware and never shrinks the disk", () => {
    expect(() => checkResize(now, { cpus: 1, memoryMib: 512, dataDiskGib: 4 })).not.toThrow();
    expect(() => checkResize(now, { ...now, dataDiskGib: 3 })).toThrow(/shrink from 4 to 3/);
    expect(() => checkResize(now, { ...now, cpus: 0 })).toThrow(/cpus/);
    expect(() => checkResize(now, { ...now, memoryMib: 1024.5 })).toThrow(/memoryMib/);
  });
});

describe("QEMU's command", () => {
  const settings = {
    hardware: { cpus: 2, memoryMib: 2048, dataDiskGib: 4 },
    uuid: "u",
  };
  it("never lets QEMU open a device or spawn a process, under either accelerator", () => {
    for (const accelerator of ["tcg", "kvm"] as const) {
      const words = qemuArguments({ ...settings, accelerator }).join(" ");
      expect(words).toContain("spawn=deny");
      expect(words).toContain("tap,id=net,fd=@TAP@");
      expect(words).not.toMatch(/\/dev\/(kvm|net)/);
      expect(words.includes("@KVM@")).toBe(accelerator === "kvm");
    }
  });
});

describe("what a boot tells", () => {
  it("is the latest unit or kernel message, without the terminal's colours", () => {
    expect(
      bootMessage("[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD server.\r"),
    ).toBe("Started ssh.service - OpenBSD server");
    expect(bootMessage("[    1.234567] systemd[1]: Hostname set to <machine>.")).toBe(
      "Hostname set to <machine>.",
    );
    expect(bootMessage("")).toBeUndefined();
    expect(bootMessage("machine login: ")).toBeUndefined();
  });
});
