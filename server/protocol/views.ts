import { z } from "zod";

/** Whole description of what the pages see. Times are ISO 8601 in UTC; durations carry their unit in the name. */
export const Role = z.enum(["learner", "instructor"]);
export type Role = z.infer<typeof Role>;

export const Language = z.enum(["en", "zh"]);
export type Language = z.infer<typeof Language>;

export const TerminalRole = z.enum(["vm", "cluster", "console"]);
export type TerminalRole = z.infer<typeof TerminalRole>;

/** One condition of a check: what was expected and what was found, in words. */
export const Condition = z.discriminatedUnion("state", [
  z.object({ state: z.literal("passed"), label: z.string() }),
  z.object({
    state: z.literal("failed"),
    label: z.string(),
    expected: z.string(),
    found: z.string(),
    hint: z.string().optional(),
  }),
  z.object({ state: z.literal("errored"), label: z.string(), reason: z.string() }),
]);
export type Condition = z.infer<typeof Condition>;

/** `errored` means "could not check": never the learner's failure. */
export const Verdict = z.object({
  state: z.enum(["passed", "failed", "errored"]),
  conditions: z.array(Condition),
  checkedAt: z.iso.datetime(),
  tookMs: z.number(),
});
export type Verdict = z.infer<typeof Verdict>;

export const TaskView = z.object({
  id: z.string(),
  title: z.string(),
  world: z.enum(["vm", "cluster", "both"]),
  points: z.number(),
  /** `locked` until the tasks it depends on are passed; once passed stays passed. */
  state: z.enum(["locked", "open", "passed"]),
  passedAt: z.iso.datetime().optional(),
  /** Latest verdict while open. */
  verdict: Verdict.optional(),
  /** Hints shown so far, as HTML; the last of them is the solution. */
  hintsShown: z.array(z.string()),
  hintsTotal: z.number(),
});
export type TaskView = z.infer<typeof TaskView>;

export const HardwareView = z.object({ cpus: z.int(), memoryMib: z.int(), dataDiskGib: z.int() });
export type HardwareView = z.infer<typeof HardwareView>;

export const StepView = z.object({
  /** Named step of the bring-up; the page translates the names it knows. */
  name: z.string(),
  state: z.enum(["started", "progress", "done", "failed"]),
  message: z.string().optional(),
  fraction: z.number().min(0).max(1).optional(),
  elapsedMs: z.number(),
});

/** How far the lab's own set-up in one world is. Nobody is offered a prompt there before it is `done`. */
export const LabStartView = z.enum(["waiting", "started", "done", "failed"]);
export type LabStartView = z.infer<typeof LabStartView>;
/** What is wrong with a part that is broken; the page has words of its own for the codes it knows. */
export const TroubleView = z.object({
  code: z.string(),
  /** What the words of the code need, in its order. */
  values: z.array(z.string()),
  /** The same in English. */
  reason: z.string(),
  remedy: z.string(),
});
export type TroubleView = z.infer<typeof TroubleView>;

const FailureView = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

/** What may be going on with a sandbox at somebody's word: a repair, or an action of the VM's power buttons. */
const SandboxAction = z.enum(["repair", "on", "off", "plug", "reset"]);
export type SandboxAction = z.infer<typeof SandboxAction>;

export const SandboxView = z.object({
  id: z.string(),
  phase: z.enum(["creating", "ready", "degraded", "failed", "destroying"]),
  placement: z.enum(["beside", "nested"]),
  action: SandboxAction.optional(),
  /** How the last action failed, until the next begins. */
  actionFailure: FailureView.optional(),
  steps: z.array(StepView),
  machine: z
    .object({
      power: z.enum(["off", "starting", "on", "broken"]),
      trouble: TroubleView.optional(),
      accelerator: z.enum(["kvm", "tcg"]),
      hardware: HardwareView,
      pendingHardware: HardwareView.optional(),
      labStart: LabStartView,
    })
    .optional(),
  cluster: z
    .object({
      phase: z.enum(["absent", "starting", "ready", "broken"]),
      trouble: TroubleView.optional(),
      nodes: z.array(z.object({ name: z.string(), ready: z.boolean() })),
      enforcesNetworkPolicy: z.boolean(),
      labStart: LabStartView,
    })
    .optional(),
  failure: FailureView.optional(),
});
export type SandboxView = z.infer<typeof SandboxView>;

/** A web service of the sandbox that opens in the learner's browser. */
export const WebServiceView = z.object({
  name: z.string(),
  world: z.enum(["vm", "cluster"]),
  port: z.int(),
});

/**
 * Tells which of two views is newer, in whichever order they come to a page. `server` is the id of one run of the server,
 * which counts its views: a view has all that is in those of lower counts.
 */
export const ViewVersion = z.object({ server: z.string(), count: z.int() });
export type ViewVersion = z.infer<typeof ViewVersion>;

export const AttemptView = z.object({
  version: ViewVersion,
  id: z.string(),
  labId: z.string(),
  labTitle: z.string(),
  learner: z.string(),
  startedAt: z.iso.datetime(),
  endsAt: z.iso.datetime(),
  /** How often it may still be extended, and by how much. */
  extensionsLeft: z.int(),
  extensionMinutes: z.int(),
  /** `queued` waits for room on the host; `resetting` gets a new sandbox; `ended` keeps its record. */
  state: z.enum(["queued", "running", "resetting", "ended"]),
  queuePosition: z.int().optional(),
  sandbox: SandboxView.optional(),
  tasks: z.array(TaskView),
  webServices: z.array(WebServiceView),
});
export type AttemptView = z.infer<typeof AttemptView>;

export const LabSummary = z.object({
  id: z.string(),
  title: z.string(),
  summary: z.string(),
  minutes: z.int(),
  tasks: z.int(),
  /** Why it can't be taken here, where that is so. */
  notOfferedBecause: z.string().optional(),
});
export type LabSummary = z.infer<typeof LabSummary>;

/** The lab's text, cut where the page needs something of its own. HTML is rendered and escaped by the server. */
export const TextBlock = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("html"), html: z.string() }),
  /** A code block; `run` names the terminal that click-to-run types it into; without it, it is click-to-copy. */
  z.object({
    kind: z.literal("code"),
    code: z.string(),
    language: z.string(),
    run: z.enum(["vm", "cluster"]).optional(),
  }),
  /** The place of a task: its state, verdict and hints. */
  z.object({ kind: z.literal("task"), taskId: z.string() }),
]);
export type TextBlock = z.infer<typeof TextBlock>;

export const SessionView = z.object({
  person: z.object({ id: z.string(), name: z.string(), role: Role }).nullable(),
  /** Sent back in `x-footbridge-csrf` with every request that changes something. */
  csrfToken: z.string(),
  languages: z.array(Language),
});
export type SessionView = z.infer<typeof SessionView>;

/** One row of the instructor's room. */
export const RoomRow = z.object({ attempt: AttemptView, lastActivityAt: z.iso.datetime() });
export const RoomView = z.object({
  version: ViewVersion,
  joinCode: z.string(),
  joinUrl: z.string(),
  capacity: z.object({
    memoryMib: z.object({ total: z.number(), reserved: z.number(), free: z.number() }),
    cpus: z.object({ total: z.number(), reserved: z.number() }),
    room: z.number(),
  }),
  rows: z.array(RoomRow),
});
export type RoomView = z.infer<typeof RoomView>;
