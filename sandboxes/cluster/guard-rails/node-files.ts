import type { ControlPlaneArgs, ControlPlaneVolume } from "../../images/kind-node-config.ts";
import { PRIVILEGED_NAMESPACES } from "./system-namespaces.ts";

/**
 * Files the API server reads when it starts, so that nothing in them can be changed through the API. They are a layer
 * of the node image, since the Docker that runs the nodes may see no file of this host.
 */

const FOLDER = "/etc/footbridge";

/** Pod Security for every namespace, whatever its labels leave out. */
const admission = {
  apiVersion: "apiserver.config.k8s.io/v1",
  kind: "AdmissionConfiguration",
  plugins: [
    {
      name: "PodSecurity",
      configuration: {
        apiVersion: "pod-security.admission.config.k8s.io/v1",
        kind: "PodSecurityConfiguration",
        defaults: {
          enforce: "baseline",
          "enforce-version": "latest",
          audit: "baseline",
          "audit-version": "latest",
          warn: "baseline",
          "warn-version": "latest",
        },
        exemptions: { usernames: [], runtimeClasses: [], namespaces: PRIVILEGED_NAMESPACES },
      },
    },
  ],
};

/** Without credentials only the probes answer, and what `kubeadm join` reads to find the cluster. */
const authentication = {
  apiVersion: "apiserver.config.k8s.io/v1beta1",
  kind: "AuthenticationConfiguration",
  jwt: [],
  anonymous: {
    enabled: true,
    conditions: [
      { path: "/livez" },
      { path: "/readyz" },
      { path: "/healthz" },
      { path: "/api/v1/namespaces/kube-public/configmaps/cluster-info" },
    ],
  },
};

/** Paths in the node and their content; JSON is YAML. */
export const GUARD_RAIL_FILES: Record<string, string> = {
  [`${FOLDER}/admission.yaml`]: `${JSON.stringify(admission, null, 2)}\n`,
  [`${FOLDER}/authentication.yaml`]: `${JSON.stringify(authentication, null, 2)}\n`,
};

/** Makes the API server read those files. */
export const GUARDED_API_SERVER: { args: ControlPlaneArgs; volumes: ControlPlaneVolume[] } = {
  args: {
    apiServer: {
      "admission-control-config-file": `${FOLDER}/admission.yaml`,
      "authentication-config": `${FOLDER}/authentication.yaml`,
      // A Service's external IPs can capture other traffic of the node (CVE-2020-8554).
      "enable-admission-plugins": "NodeRestriction,DenyServiceExternalIPs",
    },
  },
  volumes: [
    { name: "footbridge", hostPath: FOLDER, mountPath: FOLDER, readOnly: true, pathType: "Directory" },
  ],
};
