import { z } from "zod";
import { TerminalRole } from "../../server/protocol/views.ts";

export type Side = "left" | "right";

const WorkTab = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("terminal"),
    id: z.string(),
    side: z.enum(["left", "right"]),
    role: TerminalRole,
    /** Name of the shell; `1` is the first of its role. */
    name: z.string(),
  }),
  z.object({
    kind: z.literal("editor"),
    id: z.string(),
    side: z.enum(["left", "right"]),
    place: z.enum(["vm", "cluster"]),
    path: z.string(),
  }),
]);
export type WorkTab = z.infer<typeof WorkTab>;

/** Which terminals and editors are open, where, and which of them show. */
export const Workbench = z.object({
  tabs: z.array(WorkTab),
  isSplit: z.boolean(),
  /** Id of the tab that shows on each side. */
  active: z.object({ left: z.string().optional(), right: z.string().optional() }),
  /** Side used last: new tabs open there. */
  side: z.enum(["left", "right"]),
  /** Tabs that have shown: a shell opens when its tab shows for the first time and stays. */
  shown: z.array(z.string()),
});
export type Workbench = z.infer<typeof Workbench>;

export type WorkbenchChange =
  | { type: "show"; id: string }
  | { type: "open"; role: TerminalRole; side: Side }
  | { type: "edit"; place: "vm" | "cluster"; path: string; side: Side }
  /** Shows a terminal of the role, the one used last if there is one. */
  | { type: "show role"; role: TerminalRole }
  | { type: "close"; id: string }
  | { type: "move"; id: string; side: Side }
  | { type: "split" }
  | { type: "unsplit" };

const terminal = (role: TerminalRole, name: string, side: Side): WorkTab => ({
  kind: "terminal",
  id: `${role}-${name}`,
  side,
  role,
  name,
});

/** One shell of each kind, the VM's in front. */
export function initialWorkbench(): Workbench {
  return {
    tabs: [terminal("vm", "1", "left"), terminal("cluster", "1", "left"), terminal("console", "1", "left")],
    isSplit: false,
    active: { left: "vm-1" },
    side: "left",
    shown: ["vm-1"],
  };
}

/** The state after a change; the change itself when it makes no difference. */
export function changeWorkbench(state: Workbench, change: WorkbenchChange): Workbench {
  switch (change.type) {
    case "show":
      return show(state, change.id);
    case "open": {
      const tab = terminal(change.role, freeName(state, change.role), change.side);
      return show({ ...state, tabs: [...state.tabs, tab] }, tab.id);
    }
    case "edit": {
      const tab: WorkTab = {
        kind: "editor",
        id: `editor-${freeNumber(state, "editor")}`,
        side: change.side,
        place: change.place,
        path: change.path,
      };
      return show({ ...state, tabs: [...state.tabs, tab] }, tab.id);
    }
    case "show role": {
      const ofRole = state.tabs.filter((tab) => tab.kind === "terminal" && tab.role === change.role);
      const visible = ofRole.find((tab) => state.active[tab.side] === tab.id);
      const last = [...state.shown].reverse().find((id) => ofRole.some((tab) => tab.id === id));
      const id = visible?.id ?? last ?? ofRole[0]?.id;
      return id
        ? show(state, id)
        : changeWorkbench(state, { type: "open", role: change.role, side: state.side });
    }
    case "close":
      return close(state, change.id);
    case "move": {
      const tabs = state.tabs.map((tab) => (tab.id === change.id ? { ...tab, side: change.side } : tab));
      const moved = { ...state, tabs, isSplit: true };
      return show(withValidActive(moved), change.id);
    }
    case "split":
      return split(state);
    case "unsplit": {
      const tabs = state.tabs.map((tab) => ({ ...tab, side: "left" as const }));
      const front = state.active[state.side] ?? state.active.left;
      return withValidActive({
        ...state,
        tabs,
        isSplit: false,
        side: "left",
        active: front === undefined ? {} : { left: front },
      });
    }
  }
}

/** The terminal of a role that `show role` has put in front. */
export function shownTabOfRole(state: Workbench, role: TerminalRole): WorkTab | undefined {
  return state.tabs.find(
    (tab) => tab.kind === "terminal" && tab.role === role && state.active[tab.side] === tab.id,
  );
}

function show(state: Workbench, id: string): Workbench {
  const tab = state.tabs.find((each) => each.id === id);
  if (!tab) return state;
  return {
    ...state,
    side: tab.side,
    active: { ...state.active, [tab.side]: id },
    shown: [...state.shown.filter((each) => each !== id), id],
  };
}

function close(state: Workbench, id: string): Workbench {
  return withValidActive({
    ...state,
    tabs: state.tabs.filter((tab) => tab.id !== id),
    shown: state.shown.filter((each) => each !== id),
  });
}

/** The second side begins with what is most useful beside the first: the other world's shell. */
function split(state: Workbench): Workbench {
  const front = state.tabs.find((tab) => tab.id === state.active.left);
  const others = state.tabs.filter((tab) => tab.id !== front?.id);
  const wanted = front?.kind === "terminal" && front.role === "cluster" ? "vm" : "cluster";
  const second = others.find((tab) => tab.kind === "terminal" && tab.role === wanted) ?? others[0];
  const divided: Workbench = { ...state, isSplit: true };
  return second
    ? changeWorkbench(divided, { type: "move", id: second.id, side: "right" })
    : changeWorkbench(divided, { type: "open", role: wanted, side: "right" });
}

/** A side whose active tab is gone shows the one used last there. */
function withValidActive(state: Workbench): Workbench {
  const front = (side: Side): string | undefined => {
    const here = state.tabs.filter((tab) => tab.side === side).map((tab) => tab.id);
    const active = state.active[side];
    if (active !== undefined && here.includes(active)) return active;
    return [...state.shown].reverse().find((id) => here.includes(id)) ?? here[0];
  };
  const left = front("left");
  const right = front("right");
  const shown = [...state.shown];
  for (const id of [left, right]) if (id !== undefined && !shown.includes(id)) shown.push(id);
  const active = { ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) };
  return { ...state, active, shown };
}

function freeNumber(state: Workbench, prefix: string): number {
  const ids = new Set(state.tabs.map((tab) => tab.id));
  let number = 1;
  while (ids.has(`${prefix}-${number}`)) number += 1;
  return number;
}

/** The smallest number without a tab: the name of a closed tab brings its shell back. */
function freeName(state: Workbench, role: TerminalRole): string {
  return String(freeNumber(state, role));
}

const storageKey = (attemptId: string) => `footbridge.workbench.${attemptId}`;

/** What was open before a reload of the page, else the usual. */
export function loadWorkbench(attemptId: string): Workbench {
  try {
    return Workbench.parse(JSON.parse(sessionStorage.getItem(storageKey(attemptId)) ?? ""));
  } catch {
    return initialWorkbench();
  }
}

export function saveWorkbench(attemptId: string, state: Workbench): void {
  try {
    sessionStorage.setItem(storageKey(attemptId), JSON.stringify(state));
  } catch {
    // Without storage a reload begins with the usual tabs; the shells are there all the same.
  }
}
