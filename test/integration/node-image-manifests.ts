import { probeImage } from "./node-image-probes.ts";

/** Serves its own name over HTTP on port 8080 and logs who asks. */
export function webPod(pod: string, node: string | undefined, image = probeImage) {
  const serve = `busybox mkdir /www; echo ${pod} > /www/index.html; exec busybox httpd -f -v -p 8080 -h /www`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: pod, labels: { app: "web", name: pod } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "web",
          image,
          imagePullPolicy: "Never",
          command: ["/bin/busybox", "sh", "-c", serve],
        },
      ],
    },
  };
}

export const webService = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 8080 }] },
};

export const claim = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "data" },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "16Mi" } } },
};

/** Has the claim's volume at /data. */
export function storePod(pod: string, script: string) {
  const command = ["/bin/busybox", "sh", "-c", script.replaceAll("sleep", "exec busybox sleep")];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: pod },
    spec: {
      containers: [
        {
          name: "store",
          image: probeImage,
          imagePullPolicy: "Never",
          command,
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
    },
  };
}

/** Lets nobody but `from` in. */
export function policy(policyName: string, pods: Record<string, string>, from: Record<string, string>) {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: policyName },
    spec: {
      podSelector: { matchLabels: pods },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: from } }], ports: [{ port: 8080 }] }],
    },
  };
}

export const egressToDnsOnly = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "dns-only" },
  spec: {
    podSelector: { matchLabels: { name: "far" } },
    policyTypes: ["Egress"],
    egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: "UDP" }] }],
  },
};
