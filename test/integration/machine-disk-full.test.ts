import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Machine, MachineSpec } from "../../sandboxes/machine/machine.ts";
import { machineContainer, machineVolume } from "../../sandboxes/machine/names.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { smallMachine } from "../support/machine-spec.ts";

const bootMs = 300_000;

describe("a machine on a lab host whose disk is full", () => {
  const keys = makeSshKeys("test");
  const engine = new DockerEngine();
  const driver = new QemuDriver({ engine, privateKey: keys.private });
  let spec: MachineSpec | undefined;
  let machine: Machine;
  const shell = async (script: string) => {
    const container = machineContainer(machine.sandboxId);
    const result = await engine.exec(container, ["sh", "-c", script], { timeoutMs: 60_000 });
    expect(result).toMatchObject({ exitCode: 0 });
    return result.stdout.trim();
  };

  beforeAll(async () => {
    spec = await smallMachine(engine, keys.public);
    await makeVolume(spec.sandboxId, "512m");
    machine = await driver.create(spec, () => {}, AbortSignal.timeout(bootMs));
  });
  afterAll(async () => {
    await machine?.destroy();
    await driver[Symbol.asyncDispose]();
    if (spec) {
      await removeVolume(spec.sandboxId);
      await engine.removeNetwork(spec.network);
    }
    await engine[Symbol.asyncDispose]();
  });

  it("is not made where there is no room for its disks, and leaves nothing", async () => {
    if (!spec) throw new Error("there is no network");
    const sandboxId = `t${randomUUID().slice(0, 7)}`;
    const other = { ...spec, sandboxId, hardware: { cpus: 1, memoryMib: 512, dataDiskGib: 4 } };
    await makeVolume(sandboxId, "64k");
    try {
      await expect(driver.create(other, () => {}, AbortSignal.timeout(bootMs))).rejects.toMatchObject({
        code: "disk_full",
        message: expect.stringMatching(/no space left/i),
        hint: expect.stringContaining("free disk space"),
      });
      expect(await engine.inspectContainer(machineContainer(sandboxId))).toBeUndefined();
    } finally {
      await removeVolume(sandboxId);
    }
  });

  it("is paused before it loses data, says why, and goes on when there is room", async () => {
    await shell(
      `cd /var/lib/machine && head -c $(($(df --output=avail -B1 . | tail -1) - 8000000)) /dev/zero >ballast`,
    );
    const fill = "head -c 40000000 /dev/zero >/root/fill && sync && sha256sum </root/fill >/root/sum";
    const writing = machine.place.exec(["sh", "-c", fill], { timeoutMs: bootMs });
    const state = async () => (await machine.inspect()).state;
    await poll(async () => (await state()).power === "broken", "it is paused", {
      timeoutMs: 120_000,
      pauseMs: 300,
    });
    expect(await state()).toMatchObject({
      power: "broken",
      reason: expect.stringContaining("disk is full"),
      remedy: expect.stringContaining("free space"),
    });

    await shell("rm /var/lib/machine/ballast");
    await machine.start(() => {}, AbortSignal.timeout(bootMs));
    expect(await state()).toEqual({ power: "on" });
    expect(await writing).toMatchObject({ exitCode: 0 });
    const check = "head -c 40000000 /dev/zero | sha256sum | cmp - /root/sum";
    const checked = await machine.place.exec(["sh", "-c", check], { timeoutMs: 120_000 });
    expect(checked).toMatchObject({ exitCode: 0 });
  });
});

/** Makes a machine's volume beforehand, on a disk of its own that is soon full. */
async function makeVolume(sandboxId: string, size: "512m" | "64k"): Promise<void> {
  const options = ["type=tmpfs", "device=tmpfs", `o=size=${size},uid=1000,gid=1000,mode=700`];
  const argv = options.flatMap((option) => ["--opt", option]);
  await run(["docker", "volume", "create", ...argv, machineVolume(sandboxId)], { timeoutMs: 20_000 });
}

async function removeVolume(sandboxId: string): Promise<void> {
  await run(["docker", "volume", "rm", "--force", machineVolume(sandboxId)], { timeoutMs: 20_000 });
}
