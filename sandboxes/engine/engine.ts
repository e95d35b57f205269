import type { Duplex } from "node:stream";

/** Limits of one container. Absent means unlimited. */
export interface Limits {
  memoryMib?: number;
  /** Share of CPUs, e.g. 1.5. */
  cpus?: number;
  pids?: number;
}

export interface ContainerSpec {
  /** Unique at the endpoint, e.g. `fb-7f3a-machine`. */
  name: string;
  image: string;
  command?: readonly string[];
  entrypoint?: readonly string[];
  env?: Record<string, string>;
  labels: Record<string, string>;
  /** The sandbox's network; `aliases` are further names other containers on it can use. `host` and `none` as Docker means them. */
  network: { name: string; aliases?: readonly string[] };
  hostname?: string;
  /** `uid:gid`; the image's own user when absent. */
  user?: string;
  /** Capabilities kept; everything else is dropped. */
  capabilities: readonly string[];
  /** Host devices granted, same path inside. */
  devices?: readonly string[];
  sysctls?: Record<string, string>;
  limits?: Limits;
  /** Named volumes made on demand, removed with `removeContainer`. */
  volumes?: readonly { name: string; path: string }[];
  /** Volumes of other containers, read-only here; they can't be removed while this container exists. */
  sharedVolumes?: readonly { name: string; path: string }[];
  tmpfs?: Record<string, string>;
  readOnlyRoot?: boolean;
  /** How long Docker waits for its end when it stops it by itself, e.g. to restart; 10 s when absent. */
  stopGraceMs?: number;
  /** Another container whose network namespace this one joins (then `network` is ignored). */
  joinNetworkOf?: string;
}

export interface ContainerState {
  name: string;
  id: string;
  running: boolean;
  exitCode: number | undefined;
  oomKilled: boolean;
  startedAt: Date | undefined;
  labels: Record<string, string>;
  image: string;
  /** IPv4 address by network name. */
  addresses: Record<string, string>;
}

export interface NetworkSpec {
  name: string;
  /** e.g. `10.88.0.0/26`; from the configured range, never Docker's own pools. */
  subnet: string;
  labels: Record<string, string>;
  /** Name of the host's bridge interface, at most 15 characters; firewall rules match it. */
  bridge: string;
}

export interface EngineInfo {
  version: string;
  cpus: number;
  memoryMib: number;
  cgroupVersion: 1 | 2;
  /** Where Docker keeps its data, on its own host. */
  dataRoot: string;
}

export interface ExecOptions {
  timeoutMs: number;
  signal?: AbortSignal;
  user?: string;
  env?: Record<string, string>;
  input?: string | Uint8Array;
  /** A command that prints more is ended with `command_failed`; 64 MiB by default. */
  maxOutputBytes?: number;
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Something that happened to a container of ours: `die`, `start`, `oom`, `destroy`… as Docker names it. */
export interface EngineEvent {
  container: string;
  action: string;
  labels: Record<string, string>;
}

/**
 * Runs containers at one Docker endpoint and gives duplex streams into them. It promises nothing about where the
 * endpoint is: container addresses may be out of reach and host paths may not exist there.
 * Every method throws LabError (`docker_unavailable`, `not_found`, `conflict`, `disk_full`, `timed_out`).
 */
export interface Engine extends AsyncDisposable {
  info(): Promise<EngineInfo>;
  createNetwork(spec: NetworkSpec): Promise<void>;
  /** Removing what is not there is fine. */
  removeNetwork(name: string): Promise<void>;
  listNetworks(
    labels: Record<string, string>,
  ): Promise<{ name: string; subnet: string; labels: Record<string, string> }[]>;
  /** Creates and starts. A container of that name from earlier is a `conflict`. */
  runContainer(spec: ContainerSpec): Promise<ContainerState>;
  startContainer(name: string): Promise<void>;
  /** SIGTERM, then SIGKILL after `graceMs`. Stopping what does not run is fine. */
  stopContainer(name: string, graceMs: number): Promise<void>;
  /** Kills and removes with its anonymous and spec volumes. Removing what is not there is fine. */
  removeContainer(name: string): Promise<void>;
  inspectContainer(name: string): Promise<ContainerState | undefined>;
  listContainers(labels: Record<string, string>): Promise<ContainerState[]>;
  /** Changes limits of a running container. */
  limitContainer(name: string, limits: Limits): Promise<void>;
  exec(name: string, argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /**
   * A process's stdin and stdout as one raw stream (no TTY); destroying the stream ends the visit. stderr goes to the
   * stream's `error` on exit ≠ 0. `title` is what messages call it instead of its command line.
   */
  stream(
    name: string,
    argv: readonly string[],
    options?: { user?: string; title?: string | undefined },
  ): Promise<Duplex>;
  /** Live containers' use: memory working set in MiB, CPU as a share of cores since the last call or over 1 s. */
  usage(name: string): Promise<{ memoryMib: number; cpus: number }>;
  /** Memory that only the container's own processes can give back, in MiB: page cache is not in it. Answers at once. */
  heldMib(name: string): Promise<number>;
  /** What a container has written outside its volumes, in MiB, whether it runs or not; 0 for one that is not there. */
  writtenMib(name: string): Promise<number>;
  /** Events of containers with these labels until the signal aborts; ends with an error when the endpoint goes away. */
  events(labels: Record<string, string>, signal: AbortSignal): AsyncIterable<EngineEvent>;
}
