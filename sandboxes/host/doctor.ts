import { statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { toLabError } from "../errors.ts";
import { readAvailableMemoryMib } from "../service/capacity.ts";
import type { HostPaths } from "./docker-paths.ts";
import { hasSysResource, needsOciShim, probeDocker } from "./docker-probe.ts";
import { overlappingRoutes, type Route, readRoutes } from "./routes.ts";

/** One thing the doctor looked at. `remedy` is there unless `state` is `good`. */
export interface Finding {
  name: "docker" | "kvm" | "registry" | "cgroup" | "cpu" | "memory" | "disk" | "network";
  /** `weak`: works, but not as well as it could. `bad`: Footbridge will not run. */
  state: "good" | "weak" | "bad";
  found: string;
  remedy?: string;
}

export interface DoctorDeps {
  env: NodeJS.ProcessEnv;
  paths: Pick<HostPaths, "stateDir">;
  /** The verdict of really booting a kernel. */
  probeKvm(): Promise<{ usable: boolean; reason: string; remedy?: string | undefined }>;
  /** Name of the registry that answered, or undefined. */
  probeRegistry(): Promise<string | undefined>;
  /** Memory one sandbox may come to use. */
  sandboxMemoryMib: number;
  /** Address range of the sandboxes' networks. */
  networkRange: string;
}

/** Room for the images, their build and a first few sandboxes. */
const WANTED_DISK_GIB = 20;
const NEEDED_DISK_GIB = 8;
/** What the lab server and host keep for themselves. */
const HOST_MEMORY_MIB = 2048;

/**
 * Looks at everything a lab host needs; each finding that is not good names its remedy. What can't be looked at is a
 * finding, too. Changes nothing.
 */
export async function examineHost(deps: DoctorDeps): Promise<Finding[]> {
  const engine = await probeDocker(deps.env);
  const [kvm, registry] = await Promise.all([
    examineKvm(deps).catch((error: unknown) => notKnown("kvm", error)),
    examineRegistry(deps).catch((error: unknown) => notKnown("registry", error)),
  ]);
  return [
    ...(await examineDocker(engine)),
    kvm,
    registry,
    examineCpu(availableParallelism()),
    examineMemory((await readAvailableMemoryMib()) ?? 0, deps.sandboxMemoryMib),
    await examineDisk("problem" in engine ? "/var/lib/docker" : engine.dataRoot, deps.paths.stateDir),
    examineNetwork(deps.networkRange, await readRoutes()),
  ];
}

function notKnown(name: Finding["name"], error: unknown): Finding {
  const { message, hint } = toLabError(error);
  const remedy = hint ?? "mend what is bad, then run this again";
  return { name, state: "weak", found: `not known: ${message}`, remedy };
}

async function examineDocker(info: Awaited<ReturnType<typeof probeDocker>>): Promise<Finding[]> {
  if ("problem" in info) {
    const remedy =
      info.problem === "forbidden"
        ? "add yourself to the group `docker`, or run as root"
        : "run `npm start`: it installs and starts Docker on Debian; elsewhere install Docker Engine";
    return [{ name: "docker", state: "bad", found: info.message, remedy }];
  }
  const found = `Docker ${info.version}, ${info.storageDriver}, runtime ${info.defaultRuntime}`;
  const lacksShim = needsOciShim(info.version, await hasSysResource()) && info.defaultRuntime === "runc";
  const docker: Finding = lacksShim
    ? {
        name: "docker",
        state: "bad",
        found: `${found}; this host lacks CAP_SYS_RESOURCE, so privileged containers fail`,
        remedy: "run `npm start -- --change-docker`, or install Docker 24 or newer",
      }
    : { name: "docker", state: "good", found };
  const cgroup: Finding =
    info.cgroupVersion === "2"
      ? { name: "cgroup", state: "good", found: "cgroup v2" }
      : {
          name: "cgroup",
          state: "weak",
          found: `cgroup v${info.cgroupVersion}`,
          remedy: "it works; a host with cgroup v2 limits memory more exactly",
        };
  return [docker, cgroup];
}

async function examineKvm(deps: DoctorDeps): Promise<Finding> {
  const verdict = await deps.probeKvm();
  if (verdict.usable) return { name: "kvm", state: "good", found: verdict.reason };
  return {
    name: "kvm",
    state: "weak",
    found: `${verdict.reason}; VMs run by emulation, many times slower`,
    remedy:
      verdict.remedy ??
      "enable virtualisation in the firmware, or nested virtualisation on the hypervisor below",
  };
}

async function examineRegistry(deps: DoctorDeps): Promise<Finding> {
  const registry = await deps.probeRegistry();
  if (registry) return { name: "registry", state: "good", found: `${registry} answers` };
  return {
    name: "registry",
    state: "weak",
    found: "no container registry answers; the node image is built from packages (about 15 minutes, once)",
    remedy: "none needed; `footbridge images load FILE` brings images from another host",
  };
}

/** Whether so many CPUs will do. */
export function examineCpu(cpus: number): Finding {
  if (cpus >= 2) return { name: "cpu", state: "good", found: `${cpus} CPUs` };
  return { name: "cpu", state: "weak", found: `${cpus} CPU`, remedy: "give the host at least 2 CPUs" };
}

/** Whether so much memory holds a sandbox beside the host. */
export function examineMemory(availableMib: number, sandboxMemoryMib: number): Finding {
  const sandboxes = Math.max(0, Math.floor((availableMib - HOST_MEMORY_MIB) / sandboxMemoryMib));
  const found = `${availableMib} MiB available: room for ${sandboxes} sandboxes`;
  if (sandboxes > 0) return { name: "memory", state: "good", found };
  const remedy = `one sandbox needs ${sandboxMemoryMib} MiB beside ${HOST_MEMORY_MIB} MiB for the host: add memory, or lower vmMemoryMib and nodeMemoryMib`;
  return { name: "memory", state: "bad", found, remedy };
}

async function examineDisk(dataRoot: string, stateDir: string): Promise<Finding> {
  // Docker's data is the large part; where its folder can't be seen, the state's file system stands for it.
  return await lookAtDisk(dataRoot)
    .catch(() => lookAtDisk(stateDir))
    .catch(() => lookAtDisk("/"));
}

async function lookAtDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  return judgeDisk(folder, Math.floor((bavail * bsize) / 1024 ** 3));
}

/** Whether so much free disk, where `folder` is, will do. */
export function judgeDisk(folder: string, freeGib: number): Finding {
  const found = `${freeGib} GiB free in ${folder}`;
  if (freeGib >= WANTED_DISK_GIB) return { name: "disk", state: "good", found };
  const remedy = `free or add disk space: ${WANTED_DISK_GIB} GiB for images, their build and a few sandboxes`;
  return { name: "disk", state: freeGib >= NEEDED_DISK_GIB ? "weak" : "bad", found, remedy };
}

/** Whether the sandboxes' addresses are anybody else's on this host. */
export function examineNetwork(range: string, routes: readonly Route[]): Finding {
  const others = overlappingRoutes(routes, range);
  if (others.length === 0) return { name: "network", state: "good", found: `${range} is free` };
  return {
    name: "network",
    state: "weak",
    found: `sandboxes take their addresses from ${range}, which overlaps ${others.join(", ")}`,
    remedy: "set `networkRange` to a range that nothing else here uses, such as 10.200.0.0/16",
  };
}
