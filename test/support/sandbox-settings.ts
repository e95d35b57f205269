import type { SandboxSettings } from "../../sandboxes/service/sandbox-settings.ts";

/** Four small sandboxes beside, with nothing kept ready. */
export const sandboxSettings: SandboxSettings = {
  installation: "test",
  placement: "beside",
  accelerator: "tcg",
  hardware: { cpus: 2, memoryMib: 1536, dataDiskGib: 4 },
  nodes: 1,
  nodeLimits: { nodeMemoryMib: 2560, nodeCpus: 2, nodePids: 4096 },
  diskMib: 12 * 1024,
  poolSize: 0,
  maxSandboxes: 4,
  reservedMemoryMib: 2048,
  cpuOvercommit: 8,
  bringUpsAtOnce: 1,
};
