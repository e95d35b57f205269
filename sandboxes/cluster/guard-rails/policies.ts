import type {
  V1MatchCondition,
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
  V1ValidatingAdmissionPolicySpec,
} from "@kubernetes/client-node";
import { PRIVILEGED_NAMESPACES, SYSTEM_NAMESPACES } from "./system-namespaces.ts";

const list = (words: readonly string[]) => `[${words.map((word) => `'${word}'`).join(", ")}]`;
const EVERY_WRITE = ["CREATE", "UPDATE", "DELETE", "CONNECT"];
const REFUSED = "Forbidden";

/** A policy and the binding that puts it into effect. */
export interface Policy {
  policy: V1ValidatingAdmissionPolicy;
  binding: V1ValidatingAdmissionPolicyBinding;
}

function policy(name: string, spec: Omit<V1ValidatingAdmissionPolicySpec, "failurePolicy">): Policy {
  const apiVersion = "admissionregistration.k8s.io/v1";
  return {
    policy: {
      apiVersion,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: { failurePolicy: "Fail", ...spec },
    },
    binding: {
      apiVersion,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    },
  };
}

/**
 * Everybody but the cluster's own parts: not only the learner, since a ServiceAccount the learner made is the learner
 * too. Bootstrap tokens are there only while nodes join.
 */
const untrusted: V1MatchCondition = {
  name: "untrusted",
  expression: `!(request.userInfo.username in ${list(["system:kube-controller-manager", "system:kube-scheduler"])})
    && !request.userInfo.groups.exists(group, group in ${list([
      "system:masters",
      "kubeadm:cluster-admins",
      "system:nodes",
      "system:bootstrappers",
      ...PRIVILEGED_NAMESPACES.map((namespace) => `system:serviceaccounts:${namespace}`),
    ])})`,
};

const systemNamespaces = policy("footbridge-system-namespaces", {
  matchConstraints: {
    resourceRules: [{ apiGroups: ["*"], apiVersions: ["*"], operations: EVERY_WRITE, resources: ["*/*"] }],
  },
  matchConditions: [
    untrusted,
    {
      name: "in-system-namespace",
      expression: `request.?namespace.orValue('') in ${list(SYSTEM_NAMESPACES)}`,
    },
    // Draining a node moves the cluster's own pods as well; their controllers make them anew.
    {
      name: "no-eviction",
      expression: "!(request.resource.resource == 'pods' && request.?subResource.orValue('') == 'eviction')",
    },
  ],
  validations: [
    {
      expression: "false",
      messageExpression:
        "'namespace `' + request.namespace + '` holds the cluster itself and is read-only in this lab'",
      reason: REFUSED,
    },
  ],
});

/**
 * Whatever belongs to no namespace is read-only, bar the few named here: PersistentVolumes (a hostPath one is the
 * node's disk), StorageClasses, nodes/proxy, cluster roles, certificate requests, CRDs, webhooks…
 */
const clusterWide = policy("footbridge-cluster-wide", {
  matchConstraints: {
    resourceRules: [
      {
        apiGroups: ["*"],
        apiVersions: ["*"],
        operations: EVERY_WRITE,
        resources: ["*/*"],
        scope: "Cluster",
      },
    ],
  },
  matchConditions: [
    untrusted,
    {
      name: "no-namespace-or-node",
      expression: `!(request.resource.group == '' && request.?subResource.orValue('') == ''
        && request.resource.resource in ['namespaces', 'nodes'])`,
    },
    {
      name: "no-question-about-oneself",
      expression: `!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io']
        && request.resource.resource.startsWith('selfsubject'))`,
    },
  ],
  validations: [
    {
      expression: "false",
      messageExpression: `'\`' + request.resource.resource
        + (request.?subResource.orValue('') == '' ? '' : '/' + request.?subResource.orValue(''))
        + '\` belongs to the whole cluster and is read-only in this lab'`,
      reason: REFUSED,
    },
  ],
});

const onLabels = (condition: string) =>
  `request.operation == 'DELETE' || !has(object.metadata.labels)
    || object.metadata.labels.all(key, ${condition})`;

const namespaces = policy("footbridge-namespaces", {
  matchConstraints: {
    resourceRules: [
      {
        apiGroups: [""],
        apiVersions: ["*"],
        operations: ["CREATE", "UPDATE", "DELETE"],
        resources: ["namespaces"],
      },
    ],
  },
  matchConditions: [untrusted],
  validations: [
    {
      expression: `!(request.name in ${list(SYSTEM_NAMESPACES)})`,
      message: "this namespace holds the cluster itself and is read-only in this lab",
      reason: REFUSED,
    },
    {
      expression: onLabels(`key != 'pod-security.kubernetes.io/enforce'
        || object.metadata.labels[key] in ['baseline', 'restricted']`),
      message: "pod security can be raised to `restricted` in this lab, but not lowered below `baseline`",
      reason: REFUSED,
    },
    {
      // An older version of the same level checks less.
      expression: onLabels(`key != 'pod-security.kubernetes.io/enforce-version'
        || object.metadata.labels[key] == 'latest'`),
      message: "the version of pod security is always `latest` in this lab",
      reason: REFUSED,
    },
  ],
});

const unchanged = (...paths: string[]) =>
  `request.operation != 'UPDATE' || (${paths
    .map((path) => `object.${path} == oldObject.${path}`)
    .join(" && ")})`;
const IS_RESERVED = "key.matches('(^|[.])(kubernetes|k8s)[.]io/')";

const nodeChanges = policy("footbridge-node-changes", {
  matchConstraints: {
    resourceRules: [
      {
        apiGroups: [""],
        apiVersions: ["*"],
        operations: ["CREATE", "UPDATE", "DELETE"],
        resources: ["nodes"],
      },
    ],
  },
  matchConditions: [untrusted],
  variables: [
    { name: "labels", expression: "has(object.metadata.labels) ? object.metadata.labels : {}" },
    { name: "before", expression: "has(oldObject.metadata.labels) ? oldObject.metadata.labels : {}" },
  ],
  validations: [
    {
      expression: "request.operation == 'UPDATE'",
      message: "nodes can't be added or removed in this lab",
      reason: REFUSED,
    },
    {
      expression: unchanged(
        "spec.?podCIDR",
        "spec.?podCIDRs",
        "spec.?providerID",
        "spec.?configSource",
        "metadata.?annotations",
        "metadata.?finalizers",
        "metadata.?ownerReferences",
      ),
      message:
        "of a node only these can change in this lab: whether it takes pods, its taints, labels of your own",
      reason: REFUSED,
    },
    {
      expression: `request.operation != 'UPDATE' || (
        variables.labels.all(key, !${IS_RESERVED}
          || (key in variables.before && variables.before[key] == variables.labels[key]))
        && variables.before.all(key, !${IS_RESERVED} || key in variables.labels))`,
      message:
        "labels of kubernetes.io and k8s.io on a node are read-only in this lab; use a name of your own",
      reason: REFUSED,
    },
  ],
});

const outsidePrivilegedNamespaces = {
  namespaceSelector: {
    matchExpressions: [
      { key: "kubernetes.io/metadata.name", operator: "NotIn", values: [...PRIVILEGED_NAMESPACES] },
    ],
  },
};

/**
 * Pod Security's `baseline` refuses hostPath only; the kinds left out here make the node mount something with its own
 * rights. Pods come from controllers as well, so this one asks where, not who.
 */
const podVolumes = policy("footbridge-pod-volumes", {
  matchConstraints: {
    ...outsidePrivilegedNamespaces,
    resourceRules: [{ apiGroups: [""], apiVersions: ["*"], operations: ["CREATE"], resources: ["pods"] }],
  },
  validations: [
    {
      expression: `!has(object.spec.volumes) || object.spec.volumes.all(volume, ${[
        "configMap",
        "secret",
        "emptyDir",
        "projected",
        "downwardAPI",
        "persistentVolumeClaim",
        "ephemeral",
      ]
        .map((kind) => `has(volume.${kind})`)
        .join(" || ")})`,
      message:
        "volumes can be configMap, secret, emptyDir, projected, downwardAPI, ephemeral or a persistentVolumeClaim in this lab",
      reason: REFUSED,
    },
  ],
});

/**
 * From 1.35 on Pod Security's `baseline` lets a pod with a user namespace of its own have all of /proc
 * (k8s.io/pod-security-admission, check_procMount_baseline.go): here that is the lab host's kernel.
 */
const podProc = policy("footbridge-pod-proc", {
  matchConstraints: {
    ...outsidePrivilegedNamespaces,
    resourceRules: [
      {
        apiGroups: [""],
        apiVersions: ["*"],
        operations: ["CREATE", "UPDATE"],
        resources: ["pods", "pods/ephemeralcontainers"],
      },
    ],
  },
  validations: [
    {
      expression: ["containers", "initContainers", "ephemeralContainers"]
        .map(
          (list) => `(!has(object.spec.${list}) || object.spec.${list}.all(container,
            container.?securityContext.?procMount.orValue('Default') == 'Default'))`,
        )
        .join(" && "),
      message: "a container sees only the usual part of /proc in this lab: leave out `procMount`",
      reason: REFUSED,
    },
  ],
});

/**
 * What RBAC can't say (a role holds in every namespace or in named ones, never in "all but these") and Pod Security
 * doesn't see. Kubernetes exempts admission policies from admission policies: these are kept by RBAC alone.
 */
export const policies: readonly Policy[] = [
  systemNamespaces,
  clusterWide,
  namespaces,
  nodeChanges,
  podVolumes,
  podProc,
];
