import { describe, expect, it } from "vitest";
import { poll } from "../poll.ts";
import { bootMs, commandMs, type MachineTrial, untilLate } from "./machine-trial.ts";

/** What every driver makes of power that goes and comes, whoever had a hand in it. Leaves the machine off. */
export function describePower(trial: MachineTrial): void {
  describe("its power", () => {
    it("is off when the guest powers itself off, and applies a resize when it is powered on", async () => {
      await trial.root("touch", "/kept");
      await expect(
        trial.machine.resize({ ...trial.subject.spec.hardware, dataDiskGib: 1 }),
      ).rejects.toMatchObject({
        code: "bad_request",
      });
      const bigger = { cpus: 1, memoryMib: 1536, dataDiskGib: trial.subject.spec.hardware.dataDiskGib + 1 };
      await trial.machine.resize(bigger);
      expect(await trial.machine.inspect()).toMatchObject({
        hardware: trial.subject.spec.hardware,
        pendingHardware: bigger,
      });
      const off = trial.untilPower("off");
      // Its connection may go before it is told how it ended.
      await trial.root("systemctl", "poweroff").catch(() => {});
      await off;
      await expect(trial.machine.place.exec(["true"], { timeoutMs: commandMs })).rejects.toMatchObject({
        code: "machine_failed",
      });
      await expect(trial.machine.hardReset(untilLate())).rejects.toMatchObject({
        code: "conflict",
      });

      await trial.machine.start(() => {}, untilLate());
      expect(await trial.machine.inspect()).toMatchObject({
        state: { power: "on" },
        hardware: bigger,
        pendingHardware: undefined,
      });
      expect(await trial.root("nproc")).toBe("1");
      expect(Number(await trial.root("awk", "/MemTotal/ { print $2 }", "/proc/meminfo"))).toBeLessThan(
        1536 * 1024,
      );
      expect(await trial.root("lsblk", "-bdno", "SIZE", "/dev/vdb")).toBe(
        String(bigger.dataDiskGib * 1024 ** 3),
      );
      await trial.root("test", "-e", "/kept");
    });

    it("says that the hypervisor was killed, and powers on again, though it crashes in the boot", async () => {
      const broken = trial.untilPower("broken");
      await trial.subject.killHypervisor("KILL");
      await broken;
      expect((await trial.machine.inspect()).state).toMatchObject({
        power: "broken",
        reason: expect.stringContaining("SIGKILL"),
        remedy: expect.stringContaining("power it on"),
      });
      await trial.machine
        .resize(trial.subject.spec.hardware)
        .catch((error) => expect(error).toMatchObject({ code: "bad_request" }));
      const started = trial.machine.start(() => {}, untilLate());
      await poll(async () => (await trial.power()) === "starting", "it starts", { pauseMs: 300 });
      await trial.subject.killHypervisor("ABRT");
      await started;
      expect(await trial.power()).toBe("on");
      await trial.root("test", "-e", "/kept");
    });

    it("comes back from the reset button with its disk", async () => {
      const boot = await trial.root("cat", "/proc/sys/kernel/random/boot_id");
      await trial.root("sync");
      const reset = trial.machine.hardReset(untilLate());
      await poll(async () => (await trial.power()) === "starting", "it starts anew", { pauseMs: 300 });
      await reset;
      expect(await trial.power()).toBe("on");
      expect(await trial.root("cat", "/proc/sys/kernel/random/boot_id")).not.toBe(boot);
      await trial.root("test", "-e", "/kept");
    });

    it("is taken over by a new server while it boots after a restart of Docker", async () => {
      await trial.root("sh", "-c", "echo mine >/not-synced");
      // The guest has the time to write what it has in memory.
      await trial.subject.engine.stopContainer(trial.subject.container, bootMs);
      expect((await trial.machine.inspect()).state).toMatchObject({
        power: "broken",
        reason: expect.stringContaining("Docker"),
      });
      await trial.machine.start(() => {}, untilLate());
      await trial.driver[Symbol.asyncDispose]();

      trial.driver = trial.subject.makeDriver();
      const adopted = await trial.driver.adopt(trial.subject.spec.sandboxId);
      if (!adopted) throw new Error("not adopted");
      trial.machine = adopted;
      expect((await trial.machine.inspect()).hardware.dataDiskGib).toBe(
        trial.subject.spec.hardware.dataDiskGib + 1,
      );
      expect(await trial.power()).toBe("on");
      expect(await trial.root("cat", "/not-synced")).toBe("mine");
      expect(await trial.fromNeighbour("TCP:machine:22", "")).toMatchObject({
        stdout: expect.stringMatching(/^SSH-/),
      });
      expect(await trial.driver.adopt("none")).toBeUndefined();
    });

    it("sees the guest through a reboot of its own", async () => {
      const starting = trial.untilPower("starting");
      await trial.root("systemctl", "reboot").catch(() => {});
      await starting;
      await trial.untilPower("on");
      await trial.root("test", "-e", "/kept");
    });

    it("is stopped by its power button, and again without an error", async () => {
      await trial.machine.stop(bootMs, untilLate());
      expect(await trial.power()).toBe("off");
      await trial.machine.stop(bootMs, untilLate());
    });
  });
}
