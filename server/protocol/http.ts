import { z } from "zod";
import { AttemptView, LabSummary, Language, RoomView, SessionView, TextBlock } from "./views.ts";

/** What every failed request answers; the page shows message and hint. */
export const ErrorBody = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });
export type ErrorBody = z.infer<typeof ErrorBody>;

export const CSRF_HEADER = "x-footbridge-csrf";

/** Largest file that goes up or down through the page. */
export const FILE_LIMIT_BYTES = 16 * 1024 * 1024;

export const JoinBody = z.object({
  code: z.string().trim().min(4).max(64),
  name: z.string().trim().min(1).max(80),
});
export const InstructorBody = z.object({ token: z.string().min(16).max(200) });
export const StartAttemptBody = z.object({ labId: z.string() });
export const RevealHintBody = z.object({ taskId: z.string() });
export const PowerBody = z.object({ action: z.enum(["on", "off", "plug", "reset"]) });
/** What a VM can be given; whether the host has it is another question. */
export const HardwareBody = z.object({
  cpus: z.int().min(1).max(8),
  memoryMib: z.int().min(512).max(16_384),
  dataDiskGib: z.int().min(2).max(64),
});
export const FileQuery = z.object({
  place: z.enum(["vm", "cluster"]),
  /** Absolute path in the place. */
  path: z.string().min(2).max(4096).startsWith("/"),
});
export const OpenWebBody = z.object({ world: z.enum(["vm", "cluster"]), port: z.int().min(1).max(65535) });
export const OpenWebAnswer = z.object({ url: z.string() });
export const LanguageQuery = z.object({ language: Language });

/** Every route of the API, as `METHOD path`; parameters as Express writes them. */
export const routes = {
  session: "GET /api/session",
  join: "POST /api/session/join",
  instructor: "POST /api/session/instructor",
  leave: "DELETE /api/session",
  labs: "GET /api/labs",
  labText: "GET /api/labs/:labId/text",
  startAttempt: "POST /api/attempts",
  /** The signed-in learner's attempt that has not ended, or null. */
  currentAttempt: "GET /api/attempts/current",
  attempt: "GET /api/attempts/:attemptId",
  resetAttempt: "POST /api/attempts/:attemptId/reset",
  extendAttempt: "POST /api/attempts/:attemptId/extend",
  endAttempt: "POST /api/attempts/:attemptId/end",
  revealHint: "POST /api/attempts/:attemptId/hints",
  power: "POST /api/attempts/:attemptId/power",
  hardware: "PUT /api/attempts/:attemptId/hardware",
  repair: "POST /api/attempts/:attemptId/repair",
  download: "GET /api/attempts/:attemptId/file",
  upload: "PUT /api/attempts/:attemptId/file",
  openWeb: "POST /api/attempts/:attemptId/web",
  room: "GET /api/room",
} as const;

export const SessionAnswer = SessionView;
export const LabsAnswer = z.array(LabSummary);
export const LabTextAnswer = z.object({ title: z.string(), blocks: z.array(TextBlock) });
export const AttemptAnswer = AttemptView;
export const CurrentAttemptAnswer = AttemptView.nullable();
export const RoomAnswer = RoomView;
