import type { Cluster, ClusterInspection, Placement } from "./cluster/cluster.ts";
import type { ErrorCode } from "./errors.ts";
import type { Machine, MachineInspection } from "./machine/machine.ts";
import type { ProgressEvent, SandboxStep } from "./progress.ts";

/** Docker labels that say what a container or network is for; they are the database about sandboxes. */
export const LABELS = {
  /** Present on everything of ours: the id of the sandbox. */
  sandbox: "footbridge.sandbox",
  /** Which installation made it, so that two lab servers at one Docker don't sweep each other's. */
  installation: "footbridge.installation",
  /** What part it is: `machine`, `toolbox`, `setup`, `network`. */
  part: "footbridge.part",
  /** Set when its making was finished; what lacks it at start-up is half-made. */
  placement: "footbridge.placement",
  course: "footbridge.course",
  /** On a VM that is a copy: the volume of its template. */
  template: "footbridge.template",
} as const;

export type SandboxPhase = "creating" | "ready" | "degraded" | "failed" | "destroying";

export interface SandboxInspection {
  id: string;
  phase: SandboxPhase;
  placement: Placement;
  machine: MachineInspection | undefined;
  cluster: ClusterInspection | undefined;
  /** Latest event of each named step of its bring-up, in order of appearance. */
  steps: (ProgressEvent<SandboxStep> & { elapsedMs: number })[];
  createdAt: Date;
  failure: { code: ErrorCode; message: string; hint: string | undefined } | undefined;
}

/** A VM and a cluster on one network, with their places for terminals. */
export interface Sandbox {
  readonly id: string;
  readonly placement: Placement;
  /** Defined as soon as the VM's prompt answers, maybe before the cluster is ready. */
  machine(): Machine | undefined;
  cluster(): Cluster | undefined;
  inspect(): Promise<SandboxInspection>;
  /** Calls back on each phase, step or power change until the signal aborts. */
  onChange(listener: () => void, signal: AbortSignal): void;
}

/** Which worlds of a sandbox have been handed to somebody. */
export type WorldsInUse = Readonly<Record<"vm" | "cluster", boolean>>;

/** Whether nobody was let into either world yet, so that nothing of anybody's can be in them. */
export function isUntouched({ vm, cluster }: WorldsInUse): boolean {
  return !vm && !cluster;
}

/** Host capacity and what is promised of it. */
export interface Capacity {
  memoryMib: { total: number; reserved: number; free: number };
  cpus: { total: number; reserved: number };
  /** How many more sandboxes fit now. */
  room: number;
}

/** Owns all sandboxes of one installation. Operations on one sandbox are queued by its id. */
export interface SandboxService extends AsyncDisposable {
  /**
   * Re-adopts the sandboxes in `keep` and sweeps what nobody owns. What is kept may be hurt: a part that is gone or does
   * not answer makes it degraded, with why and what helps. It is given up only when nothing is left of it, or when it is
   * half-made and nobody has worked in either of its worlds. Call once, first.
   * @param inUse in which worlds of a kept sandbox somebody may have worked, so that they were finished; both if absent.
   */
  recover(keep: ReadonlySet<string>, inUse?: (id: string) => WorldsInUse): Promise<void>;
  /**
   * A sandbox for a learner: a ready one from the pool, else a new one in the making.
   * @throws LabError `no_room`
   */
  claim(): Promise<Sandbox>;
  get(id: string): Sandbox | undefined;
  list(): Sandbox[];
  /** Where it fails the sandbox stays, `destroying`, and is tried again until nothing of it is left. */
  destroy(id: string): Promise<void>;
  /** `off` asks the guest, for a minute, and then pulls the plug; `plug` overtakes whatever else waits for the guest. */
  power(id: string, action: "on" | "off" | "plug" | "reset"): Promise<void>;
  resize(id: string, hardware: { cpus: number; memoryMib: number; dataDiskGib: number }): Promise<void>;
  /** Brings a degraded sandbox back: starts stopped parts, makes lost ones anew. */
  repair(id: string): Promise<void>;
  capacity(): Promise<Capacity>;
}
