import type { ContainerState } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { TroubleCode } from "../trouble.ts";
import type { Hardware, MachineState } from "./machine.ts";
import type { SupervisorStatus } from "./supervisor.ts";

const powerOnKeepsDisk = "power it on: its disks are as they were";
export const startOver = "start over with a new sandbox";
export const neverFinished = "the machine's making was interrupted";

/** Works the machine's state out of what runs. */
export function stateOf(
  container: ContainerState | undefined,
  status: SupervisorStatus | undefined,
): MachineState {
  if (!container)
    return broken(
      "machine_gone",
      [],
      "the machine's container was removed, and its disks with it",
      startOver,
    );
  if (!status)
    return container.oomKilled
      ? broken(
          "machine_out_of_memory",
          [],
          "the machine's container was stopped for want of memory",
          powerOnKeepsDisk,
        )
      : broken(
          "machine_stopped",
          [],
          "the machine's container was stopped from outside, e.g. by a restart of Docker",
          powerOnKeepsDisk,
        );
  const { qemu, last } = status;
  if (!status.remembered) return broken("machine_unfinished", [], neverFinished, startOver);
  if (!qemu) return last ? endOf(last, container.oomKilled) : { power: "off" };
  if (qemu.runState === "no-space")
    return broken(
      "host_disk_full",
      [],
      "the lab host's disk is full, and the machine was paused before it lost data",
      "free space on the lab host, then power on: the machine goes on where it was",
    );
  if (qemu.runState === "io-error")
    return broken(
      "host_disk_failed",
      [],
      "the lab host failed to write the machine's disk, and the machine was paused",
      "see the lab host's kernel log, then power on: the machine goes on where it was",
    );
  return { power: qemu.ready ? "on" : "starting" };
}

function endOf(last: NonNullable<SupervisorStatus["last"]>, oomKilled: boolean): MachineState {
  // QEMU names a reason for every end that the guest or we asked for.
  if (last.reason !== null && last.reason !== "guest-panic") return { power: "off" };
  if (last.reason === "guest-panic")
    return broken("guest_panic", [], "the guest's kernel panicked", "see the console, then power it on");
  const said = last.said ? `: ${last.said.split("\n").at(-1)}` : "";
  if (!last.signal)
    return broken(
      "qemu_exited",
      [`${last.exitCode}`, said],
      `QEMU exited with ${last.exitCode}${said}`,
      powerOnKeepsDisk,
    );
  if (oomKilled && last.signal === "SIGKILL")
    return broken(
      "qemu_out_of_memory",
      [last.signal, said],
      `QEMU was killed (${last.signal}), probably for want of memory${said}`,
      powerOnKeepsDisk,
    );
  return broken(
    "qemu_killed",
    [last.signal, said],
    `QEMU was killed (${last.signal})${said}`,
    powerOnKeepsDisk,
  );
}

function broken(code: TroubleCode, values: readonly string[], reason: string, remedy: string): MachineState {
  return { power: "broken", code, values, reason, remedy };
}

/** @throws LabError `bad_request` for hardware that can't be. */
export function checkResize(now: Hardware, wanted: Hardware): void {
  const bad = (message: string, hint: string) => new LabError("bad_request", message, { hint });
  for (const [name, least] of [
    ["cpus", 1] as const,
    ["memoryMib", 512] as const,
    ["dataDiskGib", 1] as const,
  ])
    if (!Number.isInteger(wanted[name]) || wanted[name] < least)
      throw bad(`\`${name}\` can't be ${wanted[name]}`, `a whole number, ${least} or more`);
  if (wanted.dataDiskGib < now.dataDiskGib)
    throw bad(
      `the data disk can't shrink from ${now.dataDiskGib} to ${wanted.dataDiskGib} GiB`,
      "a disk only grows; move the data to a new sandbox instead",
    );
}
