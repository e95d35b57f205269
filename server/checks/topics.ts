import { type Task, WORLD_NAMES, type WorldName } from "../labs/lab.ts";
import type { Check } from "./check.ts";
import type { Kind } from "./cluster/cluster-state.ts";
import type { VmTopic } from "./vm/guest-agent.ts";

/** What can change a check's result. */
export type Topic = `vm:${VmTopic}` | `cluster:${Kind}`;

const WORKLOAD = ["cluster:Deployment", "cluster:ReplicaSet", "cluster:Pod"] as const;
const SERVICE = ["cluster:Service", "cluster:EndpointSlice"] as const;

export function topicsOf(check: Check): readonly Topic[] {
  switch (check.kind) {
    case "unit_active":
    case "unit_enabled":
      return ["vm:units"];
    case "machine_http":
      return ["vm:units", "vm:firewall"];
    case "file_system":
      return ["vm:mounts", "vm:blocks", "vm:space"];
    case "port_reachable":
      return ["vm:firewall"];
    case "port_after_boot":
      return ["vm:files", "vm:units"];
    case "rollout":
    case "pod_http":
      return WORKLOAD;
    case "service":
      return [...WORKLOAD, ...SERVICE];
    case "settings":
      return [...WORKLOAD, "cluster:ConfigMap", "cluster:Secret"];
    case "same_data":
      return [...WORKLOAD, ...SERVICE, "vm:firewall", "vm:units"];
    case "survives_deletion":
      return [...WORKLOAD, ...SERVICE];
  }
}

/** Units by name: an event of another unit says nothing about them. */
export function unitsOf(check: Check): readonly string[] | undefined {
  return check.kind === "unit_active" || check.kind === "unit_enabled" || check.kind === "port_after_boot"
    ? [check.unit]
    : undefined;
}

/** What the guest's agent has to keep an eye on for these checks. */
export function filesAndSpaces(checks: readonly Check[]): { files: string[]; spaces: string[] } {
  const files = checks.flatMap((check) =>
    check.kind === "port_after_boot" ? [check.config, `${check.config.replace(/\.conf$/, "")}.d`] : [],
  );
  const spaces = checks.flatMap((check) => (check.kind === "file_system" ? [check.path] : []));
  return { files: [...new Set(files)], spaces: [...new Set(spaces)] };
}

export function namespacesOf(checks: readonly Check[]): string[] {
  return [...new Set(checks.flatMap((check) => ("namespace" in check ? [check.namespace] : [])))];
}

/** What a task looks at: also one of the VM may be tried out from the cluster. */
export function worldsOf({ world, checks }: Pick<Task, "world" | "checks">): WorldName[] {
  const needs = {
    vm: world !== "cluster" || needsVm(checks),
    cluster: world !== "vm" || needsCluster(checks),
  };
  return WORLD_NAMES.filter((name) => needs[name]);
}

export function needsVm(checks: readonly Check[]): boolean {
  return checks.some((check) => topicsOf(check).some((topic) => topic.startsWith("vm:")));
}

export function needsCluster(checks: readonly Check[]): boolean {
  return checks.some(
    (check) => topicsOf(check).some((topic) => topic.startsWith("cluster:")) || asksFromPods(check),
  );
}

function asksFromPods(check: Check): boolean {
  return check.kind === "port_reachable" || check.kind === "port_after_boot";
}
