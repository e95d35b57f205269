import { readFile, statfs } from "node:fs/promises";
import type { EngineInfo } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { MachineInspection } from "../machine/machine.ts";
import { overheadMib } from "../machine/qemu-arguments.ts";
import type { Capacity } from "../sandbox.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/** The toolbox container's limit. */
const TOOLBOX_MIB = 256;

/** Free disk below which no further sandbox is made: what its bring-up writes, and as much for those that run. */
export const DISK_RESERVE_MIB = 4096;

/** Memory one sandbox may come to use, in MiB: its limits added up. */
export function sandboxMemoryMib(
  settings: SandboxSettings,
  vmMemoryMib = settings.hardware.memoryMib,
): number {
  const nodes =
    settings.placement === "beside" ? settings.nodes * settings.nodeLimits.nodeMemoryMib + TOOLBOX_MIB : 0;
  return vmMemoryMib + overheadMib(settings.accelerator) + nodes;
}

/** CPUs one sandbox may use at most. */
export function sandboxCpus(settings: SandboxSettings, vmCpus = settings.hardware.cpus): number {
  return vmCpus + (settings.placement === "beside" ? settings.nodes * settings.nodeLimits.nodeCpus : 0);
}

/** What a VM may come to have: what waits for the next power-on is promised already. */
export function promisedHardware({
  hardware,
  pendingHardware,
}: Pick<MachineInspection, "hardware" | "pendingHardware">): { cpus: number; memoryMib: number } {
  return {
    cpus: Math.max(hardware.cpus, pendingHardware?.cpus ?? 0),
    memoryMib: Math.max(hardware.memoryMib, pendingHardware?.memoryMib ?? 0),
  };
}

/** What sandboxes whose VMs may have this come to use together. */
export function sumPromised(settings: SandboxSettings, vms: readonly { cpus: number; memoryMib: number }[]) {
  const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
  return {
    sandboxes: vms.length,
    memoryMib: sum(vms.map(({ memoryMib }) => sandboxMemoryMib(settings, memoryMib))),
    cpus: sum(vms.map(({ cpus }) => sandboxCpus(settings, cpus))),
  };
}

/**
 * Refuses hardware that the host can't give, rather than to let the next power-on fail.
 * @throws LabError `no_room`
 */
export function checkRoomFor(
  wanted: { cpus: number; memoryMib: number },
  now: { cpus: number; memoryMib: number },
  capacity: Capacity,
): void {
  // Docker refuses a container more CPUs than there are, and a VM with more gains nothing from them.
  if (wanted.cpus > now.cpus && wanted.cpus > capacity.cpus.total)
    throw new LabError("no_room", `the host has ${capacity.cpus.total} CPUs, ${wanted.cpus} were asked for`, {
      hint: `ask for ${capacity.cpus.total} at most`,
    });
  const more = wanted.memoryMib - now.memoryMib;
  if (more > 0 && more > capacity.memoryMib.free)
    throw new LabError(
      "no_room",
      `the host has ${capacity.memoryMib.free} MiB left, ${more} MiB more were asked for`,
      { hint: "ask for less memory, or end a sandbox that is not needed" },
    );
}

/** What the Docker host has now; `undefined` is what can't be seen from here. */
export interface HostNow extends EngineInfo {
  /** Memory that anybody can still have. */
  availableMib: number | undefined;
  /** What the sandboxes have taken of it, of what they were promised. */
  heldMib: number;
  freeDiskMib: number | undefined;
}

/**
 * What still fits. Promised memory counts in full, since a sandbox may grow into its limits at any time; and where the
 * host tells how much memory is really available, sandboxes will yet take from that what they were promised and don't
 * hold, since others may use the rest. The host's own part is in use already then, so half of what is kept for it is
 * enough to be left. Disk is not promised: most sandboxes need a small part of what they may use, so only what is free
 * now counts.
 */
export function computeCapacity(
  settings: SandboxSettings,
  host: HostNow,
  promised: { sandboxes: number; memoryMib: number; cpus: number },
): Capacity {
  const reserved = settings.reservedMemoryMib + promised.memoryMib;
  const toBeTaken = Math.max(0, promised.memoryMib - host.heldMib);
  const available = host.availableMib ?? Number.POSITIVE_INFINITY;
  const free = Math.max(
    0,
    Math.min(host.memoryMib - reserved, available - toBeTaken - settings.reservedMemoryMib / 2),
  );
  const byMemory = Math.floor(free / sandboxMemoryMib(settings));
  const byCpu = Math.floor((host.cpus * settings.cpuOvercommit - promised.cpus) / sandboxCpus(settings));
  const byCount = settings.maxSandboxes - promised.sandboxes;
  const hasDisk = (host.freeDiskMib ?? Number.POSITIVE_INFINITY) >= DISK_RESERVE_MIB;
  return {
    memoryMib: { total: host.memoryMib, reserved, free: Math.round(free) },
    cpus: { total: host.cpus, reserved: promised.cpus },
    room: hasDisk ? Math.max(0, Math.min(byMemory, byCpu, byCount)) : 0,
  };
}

/** `MemAvailable` of this host in MiB; `undefined` where there is no such file. */
export async function readAvailableMemoryMib(file = "/proc/meminfo"): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? undefined : Math.floor(Number(kib) / 1024);
}

/** Free disk space where a folder of this host is, in MiB; `undefined` where there is no such folder. */
export async function readFreeDiskMib(folder: string): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  return stats && Math.floor((stats.bavail * stats.bsize) / (1024 * 1024));
}
