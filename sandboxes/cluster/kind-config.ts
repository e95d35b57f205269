import { kindNodeConfig } from "../images/kind-node-config.ts";
import type { ClusterSpec } from "./cluster.ts";
import { GUARDED_API_SERVER } from "./guard-rails/node-files.ts";
import { API_PORT } from "./names.ts";

/** What of the node's memory pods don't get: the kubelet, containerd and the page cache they need. */
const NODE_OVERHEAD_MIB = 256;

/** Under emulation a control plane comes up in minutes (measured: 3 to 4). */
const EMULATED_CONTROL_PLANE_SECONDS = 1_500;

/**
 * A calm control plane: one etcd and no competitors, so that leader election, syncs to disk and frequent heartbeats
 * only cost time, which under emulation nobody has. Node heartbeats are rare, so a clock that jumps after a fork or a
 * restore must not make nodes NotReady: hence the long grace period.
 */
const QUIET = {
  args: {
    controllerManager: { "leader-elect": "false", "node-monitor-grace-period": "720h" },
    scheduler: { "leader-elect": "false" },
    etcd: { "unsafe-no-fsync": "true", "heartbeat-interval": "1000", "election-timeout": "10000" },
  },
  kubelet: { nodeStatusUpdateFrequency: "1m", nodeLeaseDurationSeconds: 3600 },
};

/**
 * The configuration for `kind create cluster`, as JSON, which is YAML.
 * @param host what the Docker host has; a kubelet takes all of it for its own unless told what is not.
 */
export function kindConfig(
  spec: Pick<ClusterSpec, "placement" | "nodes" | "limits" | "kubernetesVersion">,
  host: { cpus: number; memoryMib: number },
): string {
  const isBeside = spec.placement === "beside";
  const reserved = {
    memory: `${Math.max(0, host.memoryMib - spec.limits.nodeMemoryMib) + NODE_OVERHEAD_MIB}Mi`,
    cpu: `${Math.round(Math.max(0, host.cpus - spec.limits.nodeCpus) * 1000)}m`,
  };
  return JSON.stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    networking: {
      // Beside, kind finds a free port of the host's loopback. In a VM of its own the port is always free, and known;
      // who comes from outside the VM doesn't come to its loopback.
      ...(isBeside
        ? { apiServerAddress: "127.0.0.1" }
        : { apiServerAddress: "0.0.0.0", apiServerPort: API_PORT }),
    },
    nodes: Array.from({ length: spec.nodes }, (_, index) => ({
      role: index === 0 ? "control-plane" : "worker",
    })),
    ...kindNodeConfig({
      kubernetesVersion: spec.kubernetesVersion,
      kubelet: { systemReserved: reserved, ...(isBeside ? {} : QUIET.kubelet) },
      ...(isBeside
        ? { controlPlaneArgs: GUARDED_API_SERVER.args, apiServerVolumes: GUARDED_API_SERVER.volumes }
        : { controlPlaneArgs: QUIET.args, controlPlaneTimeoutSeconds: EMULATED_CONTROL_PLANE_SECONDS }),
    }),
  });
}
