import { measureCopies } from "./copies.ts";
import type { Bench } from "./figures.ts";
import { measureLive } from "./live.ts";
import { measureSandboxes } from "./sandboxes.ts";
import { measureStart } from "./start.ts";

/** Everything that is measured, in the order in which it is. */
export const benches: readonly Bench[] = [
  { names: ["start_warm"], measure: measureStart },
  {
    names: ["claim_to_vm_prompt", "claim_to_cluster_ready", "sandbox_idle_cpu", "sandbox_memory"],
    measure: measureSandboxes,
  },
  { names: ["fork_to_running", "fork_to_vm_prompt"], measure: measureCopies },
  {
    names: ["verdict_cluster", "verdict_vm", "echo_added", "throughput", "flood_interrupted", "reconnect"],
    measure: measureLive,
  },
];
