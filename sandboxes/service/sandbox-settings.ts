import type { Placement } from "../cluster/cluster.ts";
import type { Accelerator, Hardware } from "../machine/machine.ts";

/** What one installation's sandboxes are like. */
export interface SandboxSettings {
  /** Tells two lab servers at one Docker apart; part of every label. */
  installation: string;
  placement: Placement;
  accelerator: Accelerator;
  hardware: Hardware;
  nodes: number;
  nodeLimits: { nodeMemoryMib: number; nodeCpus: number; nodePids: number };
  /** What a sandbox's nodes and toolbox may use of the Docker host's disk, in MiB. */
  diskMib: number;
  /** Sandboxes kept ready for the next learners. */
  poolSize: number;
  maxSandboxes: number;
  /** Memory left to the host and the lab server. */
  reservedMemoryMib: number;
  /** How many times the host's CPUs may be promised. */
  cpuOvercommit: number;
  /** Sandboxes brought up at the same time. */
  bringUpsAtOnce: number;
}
