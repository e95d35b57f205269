import type { AttemptView, SandboxView, TerminalRole } from "../../server/protocol/views.ts";
import type { Tone } from "../controls/status.tsx";

/** What each state of a part means to its reader. */
export const machineTone: Record<NonNullable<SandboxView["machine"]>["power"], Tone> = {
  off: "idle",
  starting: "busy",
  on: "ok",
  broken: "bad",
};

export const clusterTone: Record<NonNullable<SandboxView["cluster"]>["phase"], Tone> = {
  absent: "idle",
  starting: "busy",
  ready: "ok",
  broken: "bad",
};

export const phaseTone: Record<SandboxView["phase"], Tone> = {
  creating: "busy",
  ready: "ok",
  degraded: "bad",
  failed: "bad",
  destroying: "busy",
};

/** Why nobody can type into a shell of the VM now, as far as the VM's power tells. */
export function whyNoVm(attempt: AttemptView): "off" | "starting" | undefined {
  const { machine, phase } = attempt.sandbox ?? {};
  if (machine?.power === "off" || machine?.power === "broken") return "off";
  return machine?.power === "starting" || phase === "creating" ? "starting" : undefined;
}

/** Whether somebody can type into a terminal of the role now, and finds the lab there as it is meant to be. */
export function isRoleReady(attempt: AttemptView, role: TerminalRole): boolean {
  if (attempt.state !== "running") return false;
  const { machine, cluster } = attempt.sandbox ?? {};
  if (role === "cluster") return cluster?.phase === "ready" && cluster.labStart === "done";
  if (role === "console") return machine !== undefined;
  return machine?.power === "on" && machine.labStart === "done";
}
