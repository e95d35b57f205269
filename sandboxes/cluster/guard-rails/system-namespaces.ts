/** Where the cluster's own parts live; a learner reads there and writes nothing. */
export const SYSTEM_NAMESPACES = [
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "local-path-storage",
] as const;

/** Those whose pods need more than Pod Security's `baseline`: the network's, kube-proxy's, the volume provisioner's. */
export const PRIVILEGED_NAMESPACES = ["kube-system", "local-path-storage"] as const;
