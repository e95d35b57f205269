/**
 * The pieces of a kind configuration that follow from the node image and from the hosts we run on.
 * Pure: whoever creates a cluster merges them into the configuration he hands to `kind create cluster`.
 */

/** `extraArgs` of the control plane's static pods, without leading dashes. */
export interface ControlPlaneArgs {
  apiServer?: Record<string, string>;
  controllerManager?: Record<string, string>;
  scheduler?: Record<string, string>;
  etcd?: Record<string, string>;
}

/** A path of the node that a static pod of the control plane sees as well. */
export interface ControlPlaneVolume {
  name: string;
  hostPath: string;
  mountPath: string;
  readOnly: boolean;
  pathType: "File" | "Directory";
}

export interface KindNodeOptions {
  /** As `ensureNodeImage` returns it, e.g. `v1.37.0`: decides which kubeadm configuration kind writes. */
  kubernetesVersion: string;
  /** Flags for the control plane, e.g. an admission configuration or a calm etcd. */
  controlPlaneArgs?: ControlPlaneArgs;
  /** Paths of the node for the API server, e.g. the file named in `admission-control-config-file`. */
  apiServerVolumes?: ControlPlaneVolume[];
  /** How long kubeadm waits for the control plane; 4 min without it. Emulated machines need far more. */
  controlPlaneTimeoutSeconds?: number;
  /** Further fields of the KubeletConfiguration of every node. */
  kubelet?: Record<string, unknown>;
}

/** Fields of a `kind.x-k8s.io/v1alpha4` Cluster, to be spread into it at the top level. */
export interface KindNodeConfig {
  containerdConfigPatches: string[];
  kubeadmConfigPatches: string[];
  kubeadmConfigPatchesJSON6902: { group: string; version: string; kind: string; patch: string }[];
}

/**
 * What every cluster of ours carries. Neither image needs `disableDefaultCNI`: the published one brings kindnetd,
 * the built one its own network as `/kind/manifests/default-cni.yaml`, which kind installs alike.
 *
 * - `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc can't lower a pod's oom score, and every pod sandbox
 *   dies with "can't get final child's PID from pipe: EOF". Harmless where the capability is there.
 * - `KubeletInUserNamespace`: the kubelet then carries on where it may not write sysctls or rlimits.
 * - `minSyncPeriod`: kube-proxy otherwise lets a second pass between two changes, and a Service and its endpoints are
 *   two: a request would go nowhere for so long.
 * - `failCgroupV1: false`: from 1.35 on the kubelet refuses cgroup v1 unless told otherwise.
 */
export function kindNodeConfig(options: KindNodeOptions): KindNodeConfig {
  const kubelet = {
    kind: "KubeletConfiguration",
    failCgroupV1: false,
    ...options.kubelet,
    featureGates: { KubeletInUserNamespace: true, ...(options.kubelet?.featureGates ?? {}) },
  };
  const proxySync = { minSyncPeriod: "100ms" };
  const proxy = { kind: "KubeProxyConfiguration", iptables: proxySync, nftables: proxySync };
  const args = options.controlPlaneArgs ?? {};
  const control = usesKubeadmV1beta4(options.kubernetesVersion)
    ? v1beta4Patches(options, args)
    : { merge: [v1beta3Patch(options, args)], json: [] };
  return {
    containerdConfigPatches: ['[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'],
    // JSON is YAML: no quoting rules of our own.
    kubeadmConfigPatches: [kubelet, proxy, ...control.merge].map((patch) => JSON.stringify(patch)),
    kubeadmConfigPatchesJSON6902: control.json,
  };
}

/** kind 0.33 writes kubeadm's v1beta4 from Kubernetes 1.36 on, v1beta3 below (its pkg/cluster/internal/kubeadm). */
function usesKubeadmV1beta4(kubernetesVersion: string): boolean {
  const [major = 0, minor = 0] = kubernetesVersion.replace(/^v/, "").split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 36);
}

function v1beta3Patch(options: KindNodeOptions, args: ControlPlaneArgs) {
  const { apiServerVolumes, controlPlaneTimeoutSeconds } = options;
  return {
    kind: "ClusterConfiguration",
    apiServer: {
      extraArgs: args.apiServer ?? {},
      ...(apiServerVolumes ? { extraVolumes: apiServerVolumes } : {}),
      ...(controlPlaneTimeoutSeconds ? { timeoutForControlPlane: `${controlPlaneTimeoutSeconds}s` } : {}),
    },
    controllerManager: { extraArgs: args.controllerManager ?? {} },
    scheduler: { extraArgs: args.scheduler ?? {} },
    ...(args.etcd ? { etcd: { local: { extraArgs: args.etcd } } } : {}),
  };
}

/** The fields of `timeouts` in kubeadm's v1beta4 (k8s.io/kubernetes, cmd/kubeadm/app/apis/kubeadm/v1beta4). */
const KUBEADM_WAITS = [
  "controlPlaneComponentHealthCheck",
  "kubeletHealthCheck",
  "kubernetesAPICall",
  "etcdAPICall",
  "tlsBootstrap",
  "discovery",
] as const;

/** In v1beta4 arguments are a list: a merge patch would drop those kind puts there, so ours are appended. */
function v1beta4Patches(options: KindNodeOptions, args: ControlPlaneArgs) {
  const append = (["apiServer", "controllerManager"] as const).flatMap((part) =>
    asList(args[part]).map((value) => ({ op: "add", path: `/${part}/extraArgs/-`, value })),
  );
  const merge: unknown[] = [
    {
      kind: "ClusterConfiguration",
      ...(options.apiServerVolumes ? { apiServer: { extraVolumes: options.apiServerVolumes } } : {}),
      // kind leaves the scheduler's list empty (null), to which nothing can be appended.
      ...(args.scheduler ? { scheduler: { extraArgs: asList(args.scheduler) } } : {}),
      ...(args.etcd ? { etcd: { local: { extraArgs: asList(args.etcd) } } } : {}),
    },
  ];
  if (options.controlPlaneTimeoutSeconds) {
    // Each of kubeadm's waits, not only the one for the components: a single call may take a minute as well.
    const timeouts = Object.fromEntries(
      KUBEADM_WAITS.map((wait) => [wait, `${options.controlPlaneTimeoutSeconds}s`]),
    );
    merge.push({ kind: "InitConfiguration", timeouts }, { kind: "JoinConfiguration", timeouts });
  }
  const target = { group: "kubeadm.k8s.io", version: "v1beta4", kind: "ClusterConfiguration" };
  return { merge, json: append.length > 0 ? [{ ...target, patch: JSON.stringify(append) }] : [] };
}

function asList(args: Record<string, string> = {}): { name: string; value: string }[] {
  return Object.entries(args).map(([name, value]) => ({ name, value }));
}
