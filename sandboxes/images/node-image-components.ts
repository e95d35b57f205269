import { fileURLToPath } from "node:url";
import type { ImageRecipe } from "./image-recipe.ts";

const nodeFolder = fileURLToPath(new URL("node/", import.meta.url));

/** What the node image is put together from, each built and cached on its own. */
const binaries = {
  pause: ["pause"],
  "cni-plugins": ["bridge", "host-local", "loopback", "portmap", "ptp"],
  etcd: ["etcd"],
  "network-policies": ["kube-router"],
  "local-path-provisioner": ["local-path-provisioner"],
  containerd: ["containerd", "containerd-shim-runc-v2", "ctr"],
  coredns: ["coredns"],
  kubernetes: [
    ...["kubectl", "kubeadm", "kubelet", "kube-proxy"],
    ...["kube-scheduler", "kube-controller-manager", "kube-apiserver"],
  ],
} as const;

export const nodeComponents = Object.keys(binaries) as (keyof typeof binaries)[];

/** The recipe of one component: static binaries from the Go modules that its `go.sum` settles. */
export function nodeComponentRecipe(component: keyof typeof binaries): ImageRecipe {
  return goRecipe(component, [...binaries[component]]);
}

/**
 * The kind command, and beside it the files of its base image: entrypoint, units, containerd's configuration and the
 * storage manifest, which the kind module carries.
 */
export function kindRecipe(): ImageRecipe {
  return goRecipe("kind", ["kind", "base.tar", "default-storage.yaml", "published-image"]);
}

function goRecipe(component: string, files: string[]): ImageRecipe {
  return {
    name: `node-${component}`,
    folder: `${nodeFolder}${component}`,
    settings: {},
    inputs: [{ path: "go-build.sh", source: `${nodeFolder}go-build.sh` }],
    output: { kind: "files" },
    files,
    // Kubernetes takes 7 min on two idle cores; hosts differ, and others may be at work.
    timeoutMs: 90 * 60_000,
  };
}
