import type { V1Container, V1Deployment, V1Pod, V1PodSpec } from "@kubernetes/client-node";

export interface PodContents {
  /** One that every node has: it is never pulled. */
  image: string;
  /** What `sh` runs. */
  script: string;
  container?: Partial<V1Container>;
  spec?: Partial<V1PodSpec>;
}

/** A pod with one container; both are called `name`, and the pod has the label `app=<name>`. */
export function podManifest(name: string, contents: PodContents): V1Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: podSpec(name, contents),
  };
}

/** A Deployment `name` of pods as `podManifest` makes them. */
export function deploymentManifest(name: string, replicas: number, contents: PodContents): V1Deployment {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(name, contents) },
    },
  };
}

function podSpec(name: string, { image, script, container, spec }: PodContents): V1PodSpec {
  return {
    terminationGracePeriodSeconds: 1,
    ...spec,
    containers: [{ name, image, imagePullPolicy: "Never", command: ["sh", "-c", script], ...container }],
  };
}
