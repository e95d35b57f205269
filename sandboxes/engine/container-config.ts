import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { ContainerSpec, Limits } from "./engine.ts";

/** Label on a volume: the container it was made for, and with which it goes. */
export const volumeOwnerLabel = "footbridge.volume-of";

const specialNetworks = new Set(["host", "none"]);

/** Docker's words for limits. Swap is never added to the memory: what is promised is what there is. */
export function limitsConfig(
  limits: Limits,
): Pick<HostConfig, "Memory" | "MemorySwap" | "NanoCpus" | "PidsLimit"> {
  const memory = limits.memoryMib === undefined ? undefined : Math.round(limits.memoryMib) * 1024 * 1024;
  return {
    ...(memory === undefined ? {} : { Memory: memory, MemorySwap: memory }),
    ...(limits.cpus === undefined ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
    ...(limits.pids === undefined ? {} : { PidsLimit: limits.pids }),
  };
}

/** A container of ours as Docker's API wants it: every capability dropped but those asked for, never privileged. */
export function containerConfig(spec: ContainerSpec): ContainerCreateOptions {
  const ownNetwork = spec.joinNetworkOf === undefined;
  const named = ownNetwork && !specialNetworks.has(spec.network.name);
  return {
    name: spec.name,
    Image: spec.image,
    Labels: spec.labels,
    ...(spec.command ? { Cmd: [...spec.command] } : {}),
    ...(spec.entrypoint ? { Entrypoint: [...spec.entrypoint] } : {}),
    ...(spec.env ? { Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`) } : {}),
    ...(spec.hostname && named ? { Hostname: spec.hostname } : {}),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.stopGraceMs === undefined ? {} : { StopTimeout: Math.ceil(spec.stopGraceMs / 1000) }),
    HostConfig: {
      NetworkMode: spec.joinNetworkOf === undefined ? spec.network.name : `container:${spec.joinNetworkOf}`,
      CapDrop: ["ALL"],
      CapAdd: [...spec.capabilities],
      SecurityOpt: ["no-new-privileges"],
      Devices: (spec.devices ?? []).map((path) => ({
        PathOnHost: path,
        PathInContainer: path,
        CgroupPermissions: "rwm",
      })),
      ...(spec.sysctls ? { Sysctls: spec.sysctls } : {}),
      ...(spec.tmpfs ? { Tmpfs: spec.tmpfs } : {}),
      ...limitsConfig(spec.limits ?? {}),
      ReadonlyRootfs: spec.readOnlyRoot ?? false,
      // What a container prints must not fill the host's disk.
      LogConfig: { Type: "json-file", Config: { "max-size": "5m", "max-file": "2" } },
      Mounts: [
        ...(spec.volumes ?? []).map((volume) => ({
          Type: "volume" as const,
          Source: volume.name,
          Target: volume.path,
          VolumeOptions: {
            NoCopy: false,
            Labels: { ...spec.labels, [volumeOwnerLabel]: spec.name },
            DriverConfig: { Name: "local", Options: {} },
          },
        })),
        ...(spec.sharedVolumes ?? []).map((volume) => ({
          Type: "volume" as const,
          Source: volume.name,
          Target: volume.path,
          ReadOnly: true,
        })),
      ],
    },
    ...(named
      ? {
          NetworkingConfig: {
            EndpointsConfig: { [spec.network.name]: { Aliases: [...(spec.network.aliases ?? [])] } },
          },
        }
      : {}),
  };
}
