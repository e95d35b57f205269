/** Names of a cluster's parts; kind derives its nodes' names from the cluster's. */

/** Label kind puts on its nodes, with the cluster's name as value; it takes none of ours. */
export const KIND_CLUSTER_LABEL = "io.x-k8s.kind.cluster";

export const clusterName = (sandboxId: string): string => `fb-${sandboxId}`;
export const controlPlaneName = (sandboxId: string): string => `fb-${sandboxId}-control-plane`;
export const toolboxName = (sandboxId: string): string => `fb-${sandboxId}-toolbox`;

/** Port of the API server on its node. */
export const API_PORT = 6443;
