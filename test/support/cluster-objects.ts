import type {
  V1Container,
  V1Deployment,
  V1EndpointSlice,
  V1Pod,
  V1ReplicaSet,
  V1Service,
} from "@kubernetes/client-node";
import type { ClusterState, Kind, KindMap } from "../../server/checks/cluster/cluster-state.ts";

/** A cluster's objects as its watches would have them, made by hand. */
export class Objects implements ClusterState {
  readonly all: { kind: Kind; object: KindMap[Kind] }[] = [];

  put<K extends Kind>(kind: K, ...objects: KindMap[K][]): this {
    for (const object of objects) {
      this.remove(kind, object.metadata?.name ?? "");
      this.all.push({ kind, object });
    }
    return this;
  }

  remove(kind: Kind, name: string): void {
    const at = this.all.findIndex((one) => one.kind === kind && one.object.metadata?.name === name);
    if (at >= 0) this.all.splice(at, 1);
  }

  list<K extends Kind>(kind: K, namespace?: string): KindMap[K][] {
    return this.all
      .filter(
        (one) =>
          one.kind === kind && (namespace === undefined || one.object.metadata?.namespace === namespace),
      )
      .map((one) => one.object as KindMap[K]);
  }
}

const NAMESPACE = "inventory";
const meta = (name: string, more: object = {}) => ({
  name,
  namespace: NAMESPACE,
  uid: `uid-${name}`,
  ...more,
});
const REVISION = "deployment.kubernetes.io/revision";

export function deployment(change: {
  replicas?: number;
  revision?: string;
  generation?: number;
  observed?: number;
  container?: Partial<V1Container>;
}): V1Deployment {
  const { replicas = 1, revision = "1", generation = 1, observed = generation, container } = change;
  return {
    metadata: meta("inventory-api", { generation, annotations: { [REVISION]: revision } }),
    spec: {
      replicas,
      selector: { matchLabels: { app: "inventory-api" } },
      template: {
        spec: { containers: [{ name: "inventory-api", image: "inventory-api:1.0", ...container }] },
      },
    },
    status: { observedGeneration: observed },
  };
}

export function replicaSet(
  name: string,
  revision: string,
  status: V1ReplicaSet["status"] = { replicas: 0 },
): V1ReplicaSet {
  const owner = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: "inventory-api",
    uid: "uid-inventory-api",
  };
  return {
    metadata: meta(name, { annotations: { [REVISION]: revision }, ownerReferences: [owner] }),
    spec: { selector: {} },
    status,
  };
}

export function pod(
  name: string,
  set: string,
  change: { ready?: boolean; terminating?: boolean; status?: V1Pod["status"] } = {},
): V1Pod {
  const { ready = true, terminating = false, status = {} } = change;
  return {
    metadata: meta(name, {
      labels: { app: "inventory-api", "pod-template-hash": set },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: set, uid: `uid-${set}` }],
      ...(terminating ? { deletionTimestamp: "2026-11-23T14:00:00Z" } : {}),
    }),
    status: {
      phase: "Running",
      podIP: "10.244.0.7",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      ...status,
    },
  };
}

export function service(change: Partial<NonNullable<V1Service["spec"]>> = {}): V1Service {
  return {
    metadata: meta("inventory-api"),
    spec: {
      clusterIP: "10.96.10.20",
      selector: { app: "inventory-api" },
      ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }],
      ...change,
    },
  };
}

export function endpointSlice(pods: readonly V1Pod[]): V1EndpointSlice {
  return {
    metadata: meta("inventory-api-x7k2p", { labels: { "kubernetes.io/service-name": "inventory-api" } }),
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: pods.map((one) => ({
      addresses: [one.status?.podIP ?? ""],
      conditions: { ready: one.status?.conditions?.[0]?.status === "True" },
      targetRef: { kind: "Pod", name: one.metadata?.name ?? "", uid: one.metadata?.uid ?? "" },
    })),
  };
}
