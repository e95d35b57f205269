/** Commands and objects that a learner may not use, for somebody who may to be refused nothing of them. */

/** Makes what stands on standard input. */
export const CREATE = "kubectl create -f -";
/** Asks the API server for its answer and changes nothing. */
export const DRY = "--dry-run=server";

const volume = (source: object) => ({ volumes: [{ name: "disk", ...source }] });
const secured = (securityContext: object) => ({ securityContext });

/** What a pod asks for, as additions to its spec and to its container. */
export const GREEDY_PODS: [what: string, spec: object, container: object][] = [
  ["the node's disk", volume({ hostPath: { path: "/" } }), {}],
  ["the node's processes", { hostPID: true }, {}],
  ["the node's network", { hostNetwork: true }, {}],
  ["the node's ports", {}, { ports: [{ containerPort: 80, hostPort: 80 }] }],
  ["all devices and capabilities", {}, secured({ privileged: true })],
  ["one capability", {}, secured({ capabilities: { add: ["SYS_ADMIN"] } })],
  ["an unmasked /proc", { hostUsers: false }, secured({ procMount: "Unmasked" })],
  ["no seccomp", {}, secured({ seccompProfile: { type: "Unconfined" } })],
  ["a network disk the node mounts", volume({ nfs: { server: "10.0.0.1", path: "/" } }), {}],
  [
    "a block device the node attaches",
    volume({ iscsi: { targetPortal: "10.0.0.1", iqn: "iqn.2001-04.com.example:a", lun: 0 } }),
    {},
  ],
];

const PERSISTENT_VOLUME = {
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: "disk" },
  spec: {
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteOnce"],
    storageClassName: "",
    hostPath: { path: "/" },
  },
};
const STORAGE_CLASS = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "own" },
  provisioner: "x/y",
};
const WEBHOOK = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "MutatingWebhookConfiguration",
  metadata: { name: "own" },
};
const CUSTOM_RESOURCE = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "owns.example.com" },
  spec: {
    group: "example.com",
    names: { kind: "Own", plural: "owns" },
    scope: "Namespaced",
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};
const API_SERVICE = {
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: "v1.example.com" },
  spec: {
    group: "example.com",
    version: "v1",
    groupPriorityMinimum: 1,
    versionPriority: 1,
    insecureSkipTLSVerify: true,
    service: { name: "own", namespace: "default" },
  },
};
const WIDER = '[{"op":"add","path":"/rules/-","value":{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}}]';

/** Belongs to no namespace and is kept by the policy on such things, even from one whose role would allow it. */
export const CLUSTER_WIDE: [what: string, command: string, input?: object][] = [
  ["a PersistentVolume on the node's disk", `${CREATE} ${DRY}`, PERSISTENT_VOLUME],
  ["a StorageClass", `${CREATE} ${DRY}`, STORAGE_CLASS],
  ["deleting the StorageClass", `kubectl delete storageclass standard ${DRY}`],
  [
    "binding himself to cluster-admin",
    `kubectl create clusterrolebinding own --clusterrole=cluster-admin --user=learner ${DRY}`,
  ],
  ["a cluster role", `kubectl create clusterrole own --verb=get --resource=pods ${DRY}`],
  ["widening his own role", `kubectl patch clusterrole footbridge:learner ${DRY} --type=json -p '${WIDER}'`],
  ["a webhook", `${CREATE} ${DRY}`, WEBHOOK],
  ["a new kind of object", `${CREATE} ${DRY}`, CUSTOM_RESOURCE],
  ["an API of his own", `${CREATE} ${DRY}`, API_SERVICE],
  ["a priority above the system's", `kubectl create priorityclass own --value=1000000 ${DRY}`],
  ["the kubelet behind the API server", "kubectl get --raw /api/v1/nodes/NODE/proxy/pods"],
  ["deleting a node", `kubectl delete node NODE ${DRY}`],
  [
    "an annotation of the node",
    `kubectl annotate node NODE kubeadm.alpha.kubernetes.io/cri-socket=x --overwrite ${DRY}`,
  ],
  ["a reserved label of the node", `kubectl label node NODE node-role.kubernetes.io/worker= ${DRY}`],
  ["deleting a system namespace", `kubectl delete namespace local-path-storage ${DRY}`],
  ["a system namespace's label", `kubectl label namespace local-path-storage team=a ${DRY}`],
];

/** Kubernetes exempts its admission policies from admission policies; the learner's role alone keeps these. */
export const POLICIES: [what: string, command: string][] = [
  ["deleting a policy", `kubectl delete validatingadmissionpolicy footbridge-pod-volumes ${DRY}`],
  [
    "deleting a policy's binding",
    `kubectl delete validatingadmissionpolicybinding footbridge-namespaces ${DRY}`,
  ],
  [
    "changing a policy's binding",
    `kubectl patch validatingadmissionpolicybinding footbridge-system-namespaces ${DRY} --type=merge -p '{"spec":{"validationActions":["Audit"]}}'`,
  ],
];
