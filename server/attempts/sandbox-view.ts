import type { ClusterInspection } from "../../sandboxes/cluster/cluster.ts";
import type { ErrorCode, LabError } from "../../sandboxes/errors.ts";
import type { MachineInspection } from "../../sandboxes/machine/machine.ts";
import type { SandboxInspection } from "../../sandboxes/sandbox.ts";
import type { Trouble } from "../../sandboxes/trouble.ts";
import { WORLD_NAMES, type WorldName } from "../labs/lab.ts";
import type { SandboxAction, SandboxView, TroubleView } from "../protocol/views.ts";

/** How far the lab's own set-up in one world of the sandbox is. `elapsedMs` is absent where an earlier server did it. */
export type LabStart =
  | { state: "waiting" }
  | { state: "started"; elapsedMs: number }
  | { state: "done"; elapsedMs: number | undefined }
  | { state: "failed"; elapsedMs: number; code: ErrorCode; message: string; hint: string | undefined };

/** The same of both worlds. */
export type LabStarts = Readonly<Record<WorldName, LabStart>>;

/** Names of the set-up's steps, after those of the sandbox's bring-up. */
export const PREPARE_STEPS = {
  vm: "prepare lab in VM",
  cluster: "prepare lab in cluster",
} as const satisfies Record<WorldName, string>;

/** What the lab server does in and to a sandbox. */
export interface SandboxDoings {
  labStarts: LabStarts;
  action: SandboxAction | undefined;
  actionFailure: LabError | undefined;
}

/** What the pages see of a sandbox: for them it is ready when the lab is. */
export function sandboxView(
  inspection: SandboxInspection,
  { labStarts, action, actionFailure }: SandboxDoings,
): SandboxView {
  const { id, placement, machine, cluster } = inspection;
  const failure = inspection.failure ?? WORLD_NAMES.map((world) => labStarts[world]).find(hasFailed);
  return {
    id,
    phase: phase(inspection, labStarts),
    placement,
    ...(action ? { action } : {}),
    ...(actionFailure ? { actionFailure: failureView(actionFailure) } : {}),
    steps: [
      ...inspection.steps.map(stepView),
      ...WORLD_NAMES.flatMap((world) => prepareStep(world, labStarts[world])),
    ],
    ...(machine ? { machine: { ...machineView(machine), labStart: labStarts.vm.state } } : {}),
    ...(cluster ? { cluster: { ...clusterView(cluster), labStart: labStarts.cluster.state } } : {}),
    ...(failure ? { failure: failureView(failure) } : {}),
  };
}

/** Stands for a sandbox that is gone, such as one removed behind the server's back. */
export function lostSandbox(
  id: string,
  placement: SandboxView["placement"],
  createdAt: Date,
): SandboxInspection {
  return {
    id,
    phase: "failed",
    placement,
    machine: undefined,
    cluster: undefined,
    steps: [],
    createdAt,
    failure: {
      code: "not_found",
      message: "this sandbox is gone; what you have passed is kept in the record",
      hint: "reset the lab: you get a new sandbox and begin again",
    },
  };
}

function phase({ phase }: SandboxInspection, labStarts: LabStarts): SandboxView["phase"] {
  if (phase !== "ready" && phase !== "creating") return phase;
  const starts = Object.values(labStarts);
  if (starts.some(hasFailed)) return "failed";
  return starts.every(({ state }) => state === "done") ? phase : "creating";
}

function hasFailed(labStart: LabStart): labStart is LabStart & { state: "failed" } {
  return labStart.state === "failed";
}

type StepView = SandboxView["steps"][number];

function stepView({
  step,
  state,
  message,
  fraction,
  elapsedMs,
}: SandboxInspection["steps"][number]): StepView {
  return {
    name: step,
    state,
    ...(message === undefined ? {} : { message }),
    ...(fraction === undefined ? {} : { fraction: Math.min(1, Math.max(0, fraction)) }),
    elapsedMs,
  };
}

function prepareStep(world: WorldName, labStart: LabStart): StepView[] {
  if (labStart.state === "waiting" || labStart.elapsedMs === undefined) return [];
  const { state, elapsedMs } = labStart;
  const message = hasFailed(labStart) ? { message: labStart.message } : {};
  return [{ name: PREPARE_STEPS[world], state, ...message, elapsedMs }];
}

function machineView({ state, accelerator, hardware, pendingHardware }: MachineInspection) {
  return {
    power: state.power,
    ...(state.power === "broken" ? { trouble: troubleView(state) } : {}),
    accelerator,
    hardware,
    ...(pendingHardware ? { pendingHardware } : {}),
  };
}

function failureView({
  code,
  message,
  hint,
}: {
  code: ErrorCode;
  message: string;
  hint?: string | undefined;
}) {
  return { code, message, ...(hint ? { hint } : {}) };
}

function troubleView({ code, values, reason, remedy }: Trouble): TroubleView {
  return { code, values: [...values], reason, remedy };
}

function clusterView({ state, nodes, enforcesNetworkPolicy }: ClusterInspection) {
  return {
    phase: state.phase,
    ...(state.phase === "broken" ? { trouble: troubleView(state) } : {}),
    nodes,
    enforcesNetworkPolicy,
  };
}
