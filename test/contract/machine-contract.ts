import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { describeGuest } from "./machine-guest-contract.ts";
import { describePower } from "./machine-power-contract.ts";
import { bootMs, MachineTrial, type MachineUnderTest, untilLate } from "./machine-trial.ts";

/** What every driver of machines must do. One machine goes through it all, in order: each boot takes its time. */
export function describeMachine(name: string, make: () => Promise<MachineUnderTest & AsyncDisposable>): void {
  describe(`${name} as a machine driver`, { timeout: 2 * bootMs + 60_000 }, () => {
    const trial = new MachineTrial();
    beforeAll(() => trial.begin(make));
    afterAll(() => trial[Symbol.asyncDispose]());

    it("tells the steps of its bring-up and is on when it says so", async () => {
      const told = trial.events
        .filter(({ state }) => state !== "progress")
        .map(({ step, state }) => `${step} ${state}`);
      expect(told).toEqual(
        ["start VM", "boot guest", "log in"].flatMap((step) => [`${step} started`, `${step} done`]),
      );
      expect(trial.events.some(({ step, message }) => step === "boot guest" && message)).toBe(true);
      expect(await trial.machine.inspect()).toEqual({
        state: { power: "on" },
        accelerator: trial.subject.spec.accelerator,
        hardware: trial.subject.spec.hardware,
        pendingHardware: undefined,
      });
    });

    it("gives the hypervisor no privilege: not root, no capability, filtered system calls", async () => {
      const status = await trial.subject.hypervisorStatus();
      expect(status).toMatch(/^Uid:\s*[1-9]/m);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        expect(status).toMatch(new RegExp(`^${set}:\\s*0+$`, "m"));
      expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
      expect(status).toMatch(/^Seccomp:\s*2$/m);
    });

    describeGuest(trial);
    describePower(trial);

    it("leaves nothing behind, be it destroyed or interrupted in the making", async () => {
      await trial.machine.destroy();
      await trial.machine.destroy();
      expect(await trial.subject.leftovers()).toEqual([]);
      const controller = new AbortController();
      const report = ({ step }: ProgressEvent) => step === "boot guest" && controller.abort();
      await expect(trial.driver.create(trial.subject.spec, report, controller.signal)).rejects.toMatchObject({
        code: "aborted",
      });
      expect(await trial.subject.leftovers()).toEqual([]);
      const spec = { ...trial.subject.spec, image: "fb-no/such:image" };
      await expect(trial.driver.create(spec, () => {}, untilLate())).rejects.toMatchObject({
        code: "not_found",
      });
      expect(await trial.subject.leftovers()).toEqual([]);
    });
  });
}
