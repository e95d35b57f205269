/** Everything that can be wrong with a VM or a cluster that has been made. */
export const troubleCodes = [
  "machine_gone",
  "machine_out_of_memory",
  "machine_stopped",
  "machine_unfinished",
  "host_disk_full",
  "host_disk_failed",
  "guest_panic",
  "qemu_out_of_memory",
  "qemu_killed",
  "qemu_exited",
  "vm_off",
  "nodes_gone",
  "nodes_stopped",
  "nodes_out_of_memory",
  "nodes_not_ready",
  "shell_stopped",
  "shell_gone",
  "api_silent",
  "sandbox_disk_full",
  "sandbox_disk_unmeasured",
  "not_inspected",
] as const;
export type TroubleCode = (typeof troubleCodes)[number];

/** What is wrong, why and what can be done: a code with the values its words need, and the words in English. */
export interface Trouble {
  code: TroubleCode;
  values: readonly string[];
  reason: string;
  remedy: string;
}
