import { availableParallelism } from "node:os";
import type { SandboxSettings } from "../sandboxes/service/sandbox-settings.ts";
import type { Settings } from "./settings.ts";

/** What the settings and the host's KVM verdict make of this installation's sandboxes. */
export function sandboxSettings(settings: Settings, host: { id: string; usesKvm: boolean }): SandboxSettings {
  const placement = settings.placement === "auto" ? (host.usesKvm ? "nested" : "beside") : settings.placement;
  // Nested, the nodes live in the VM: it needs their memory on top of its own.
  const nodesMemoryMib = placement === "nested" ? settings.nodes * settings.nodeMemoryMib : 0;
  return {
    installation: host.id,
    accelerator: settings.accelerator === "auto" ? (host.usesKvm ? "kvm" : "tcg") : settings.accelerator,
    placement,
    hardware: {
      cpus: settings.vmCpus,
      memoryMib: settings.vmMemoryMib + nodesMemoryMib,
      dataDiskGib: settings.vmDataDiskGib,
    },
    nodes: settings.nodes,
    nodeLimits: {
      nodeMemoryMib: settings.nodeMemoryMib,
      nodeCpus: settings.nodeCpus,
      nodePids: settings.nodePids,
    },
    diskMib: settings.sandboxDiskGib * 1024,
    poolSize: settings.poolSize,
    maxSandboxes: settings.maxSandboxes,
    reservedMemoryMib: settings.reservedMemoryMib,
    cpuOvercommit: settings.cpuOvercommit,
    bringUpsAtOnce: Math.max(1, Math.floor(availableParallelism() / 2)),
  };
}
