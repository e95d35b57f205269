import type { Duplex } from "node:stream";
import type { Machine } from "../machine/machine.ts";
import type { Place } from "../place.ts";
import type { SandboxReport } from "../progress.ts";
import type { Trouble } from "../trouble.ts";

export type Placement = "beside" | "nested";

/** How to reach a Docker. */
export interface DockerEndpoint {
  /** `DOCKER_HOST` for the kind CLI, e.g. `unix:///run/docker.sock`. */
  dockerHost: string;
  env: Record<string, string>;
  /** Network the nodes join, `KIND_EXPERIMENTAL_DOCKER_NETWORK`; kind's own where absent. */
  network?: string;
}

export interface ClusterSpec {
  sandboxId: string;
  placement: Placement;
  /** The lab host's Docker: it runs the nodes when beside, and has their image in either case. */
  endpoint: DockerEndpoint;
  /** The VM whose Docker runs the nodes when nested. */
  machine?: Machine;
  /** Node image and kind, as `ensureNodeImage` gives them. */
  nodeImage: string;
  kindBinary: string;
  /** e.g. `v1.37.0`; decides how kind has to be told things. */
  kubernetesVersion: string;
  /** Whether NetworkPolicies have an effect with this image. */
  enforcesNetworkPolicy: boolean;
  toolboxImage: string;
  nodes: number;
  limits: { nodeMemoryMib: number; nodeCpus: number; nodePids: number };
  labels: Record<string, string>;
}

export type ClusterState =
  | { phase: "absent" }
  | { phase: "starting" }
  | { phase: "ready" }
  | ({ phase: "broken" } & Trouble);

export interface ClusterInspection {
  state: ClusterState;
  nodes: { name: string; ready: boolean }[];
  enforcesNetworkPolicy: boolean;
}

/** What one container uses of the Docker host's disk. */
export interface DiskUse {
  /** Which one, in words: "node `fb-7f-worker`". */
  what: string;
  mib: number;
}

/** One kind cluster and, when beside, the toolbox container in which the learner's kubectl runs. */
export interface Cluster {
  readonly sandboxId: string;
  /** Where the learner's `cluster` shell lives, kubectl configured with the learner's rights. */
  readonly place: Place;
  inspect(): Promise<ClusterInspection>;
  /** Kubeconfig with an address the lab server can use. `admin` never leaves the server. */
  kubeconfig(subject: "admin" | "learner"): Promise<string>;
  /**
   * A TCP connection to a port of the control-plane node, e.g. a NodePort, made from within the sandbox.
   * @throws LabError `machine_failed`, `command_failed` where nothing answers there.
   */
  connect(port: number): Promise<Duplex>;
  /**
   * Starts stopped node containers and waits until every node is Ready.
   * @throws LabError `disk_full` once it was halted, with `halt`'s words
   */
  repair(report: SandboxReport, signal: AbortSignal): Promise<void>;
  /** What its containers use of the Docker host's disk; nothing when nested, since the VM's disks have a size. */
  diskUse(signal: AbortSignal): Promise<DiskUse[]>;
  /** Stops its containers for good, because they use too much disk: it is `broken` with these words from now on. */
  halt(trouble: Trouble): Promise<void>;
  /** Lets go of what this process holds open for it; the cluster goes on. */
  release(): Promise<void>;
  destroy(): Promise<void>;
}

export interface ClusterDriver {
  /** Steps: `create cluster`, `join nodes`, `guard rails`, `nodes ready`. On failure nothing is left. */
  create(spec: ClusterSpec, report: SandboxReport, signal: AbortSignal): Promise<Cluster>;
  /**
   * Takes over what exists (by kind's label `io.x-k8s.kind.cluster=fb-<id>`); `undefined` where there is none. It has to
   * show that its making was finished, unless `wasFinished` says so: then any node left of it is taken over, for
   * `repair` to bring back the rest.
   */
  adopt(spec: ClusterSpec, options?: { wasFinished: boolean }): Promise<Cluster | undefined>;
}
