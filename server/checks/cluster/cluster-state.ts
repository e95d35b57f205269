import type {
  V1ConfigMap,
  V1Deployment,
  V1EndpointSlice,
  V1Node,
  V1Pod,
  V1ReplicaSet,
  V1Secret,
  V1Service,
} from "@kubernetes/client-node";

/** What checks look at in a cluster, by kind. */
export interface KindMap {
  Deployment: V1Deployment;
  ReplicaSet: V1ReplicaSet;
  Pod: V1Pod;
  Service: V1Service;
  EndpointSlice: V1EndpointSlice;
  ConfigMap: V1ConfigMap;
  Secret: V1Secret;
  Node: V1Node;
}
export type Kind = keyof KindMap;

/** Objects of one cluster as last seen. */
export interface ClusterState {
  list<K extends Kind>(kind: K, namespace?: string): KindMap[K][];
}

export function find<K extends Kind>(
  state: ClusterState,
  kind: K,
  namespace: string,
  name: string,
): KindMap[K] | undefined {
  return state.list(kind, namespace).find((object) => object.metadata?.name === name);
}

export function isTerminating(object: { metadata?: { deletionTimestamp?: unknown } }): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}

export function isReady(pod: V1Pod): boolean {
  return (pod.status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");
}

const REVISION = "deployment.kubernetes.io/revision";

/** The ReplicaSet of the Deployment's current version; the controller marks both with the same revision. */
export function currentReplicaSet(state: ClusterState, deployment: V1Deployment): V1ReplicaSet | undefined {
  const revision = deployment.metadata?.annotations?.[REVISION];
  return state
    .list("ReplicaSet", deployment.metadata?.namespace)
    .filter((set) => isOwnedBy(set, deployment.metadata?.uid))
    .find((set) => revision !== undefined && set.metadata?.annotations?.[REVISION] === revision);
}

export function isOwnedBy(
  object: { metadata?: { ownerReferences?: { uid: string }[] } },
  uid: string | undefined,
): boolean {
  return uid !== undefined && (object.metadata?.ownerReferences ?? []).some((owner) => owner.uid === uid);
}

/** Pods of the current version that are not on their way out. */
export function currentPods(state: ClusterState, deployment: V1Deployment): V1Pod[] {
  const uid = currentReplicaSet(state, deployment)?.metadata?.uid;
  return state
    .list("Pod", deployment.metadata?.namespace)
    .filter((pod) => isOwnedBy(pod, uid) && !isTerminating(pod));
}

export function nameOf(object: { metadata?: { name?: string } }): string {
  return object.metadata?.name ?? "";
}
