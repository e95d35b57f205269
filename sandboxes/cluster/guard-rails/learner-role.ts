import type { V1ClusterRole, V1ClusterRoleBinding, V1PolicyRule } from "@kubernetes/client-node";

/** User and group in the learner's client certificate. */
export const LEARNER = { user: "learner", group: "footbridge:learners" } as const;

const READ = ["get", "list", "watch"];
const OWN = [...READ, "create", "update", "patch", "delete", "deletecollection"];
const rule = (apiGroup: string, resources: string[], verbs: string[]): V1PolicyRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs,
});

/**
 * What a learner may do in a cluster whose nodes are containers of the lab host. Enumerated, so that an API group of a
 * newer Kubernetes is closed until somebody has thought about it. Left out on purpose: impersonate, escalate, bind;
 * nodes/proxy, pods/proxy and services/proxy (the API server as a hop into the node's network); writing any status (a
 * Service's can capture addresses); writing PersistentVolumes, StorageClasses, cluster roles, CRDs, webhooks, policies
 * and certificate requests; anything custom.
 */
export const learnerRole: V1ClusterRole = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "footbridge:learner" },
  rules: [
    rule(
      "",
      [
        "configmaps",
        "endpoints",
        "limitranges",
        "persistentvolumeclaims",
        "pods",
        "podtemplates",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "resourcequotas",
        "secrets",
        "serviceaccounts",
        "services",
      ],
      OWN,
    ),
    rule("", ["pods/resize", "pods/ephemeralcontainers"], ["get", "update", "patch"]),
    // Over a WebSocket these are a GET.
    rule("", ["pods/exec", "pods/attach", "pods/portforward"], ["get", "create"]),
    rule("", ["pods/eviction", "serviceaccounts/token"], ["create"]),
    rule("", ["events"], [...READ, "create", "patch"]),
    rule("events.k8s.io", ["events"], [...READ, "create", "patch"]),
    rule("", ["namespaces"], [...READ, "create", "update", "patch", "delete"]),
    // Cordon, drain, own labels and taints; the policy on nodes says which fields.
    rule("", ["nodes"], [...READ, "update", "patch"]),
    rule("", ["persistentvolumes", "componentstatuses", "nodes/status"], READ),
    rule(
      "apps",
      [
        "daemonsets",
        "deployments",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale",
      ],
      OWN,
    ),
    rule("batch", ["cronjobs", "jobs"], OWN),
    rule("autoscaling", ["horizontalpodautoscalers"], OWN),
    rule("networking.k8s.io", ["ingresses", "networkpolicies"], OWN),
    rule("networking.k8s.io", ["ingressclasses"], READ),
    rule("policy", ["poddisruptionbudgets"], OWN),
    rule("discovery.k8s.io", ["endpointslices"], OWN),
    rule("coordination.k8s.io", ["leases"], OWN),
    // Kubernetes lets nobody grant more than he has: what is made with these stays within this list and, without
    // ClusterRoleBindings, within the namespaces where the learner may write.
    rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], OWN),
    rule("rbac.authorization.k8s.io", ["clusterroles", "clusterrolebindings"], READ),
    rule("storage.k8s.io", ["storageclasses", "csidrivers", "csinodes", "volumeattachments"], READ),
    rule("storage.k8s.io", ["csistoragecapacities"], READ),
    rule("scheduling.k8s.io", ["priorityclasses"], READ),
    rule("node.k8s.io", ["runtimeclasses"], READ),
    rule("apiextensions.k8s.io", ["customresourcedefinitions"], READ),
    rule("apiregistration.k8s.io", ["apiservices"], READ),
    rule(
      "admissionregistration.k8s.io",
      [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
      ],
      READ,
    ),
    rule("metrics.k8s.io", ["nodes", "pods"], ["get", "list"]),
  ],
};

/**
 * The learner has that role and, as far as reading goes, Kubernetes' own `view`: without holding it he could not grant
 * it to anybody.
 */
export const learnerBindings: readonly V1ClusterRoleBinding[] = ["footbridge:learner", "view"].map(
  (role) => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: role === "view" ? "footbridge:learner-view" : role },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: LEARNER.group }],
  }),
);
