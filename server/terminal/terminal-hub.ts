import type { Duplex } from "node:stream";
import { LabError } from "../../sandboxes/errors.ts";
import type { Place } from "../../sandboxes/place.ts";
import { openConsoleLink } from "../../sandboxes/terminal/console-link.ts";
import { openHolderLink } from "../../sandboxes/terminal/holder-link.ts";
import type { TerminalLink } from "../../sandboxes/terminal/terminal-link.ts";
import type { TerminalOpen } from "../protocol/socket.ts";
import type { TerminalHub } from "./hub.ts";
import { type ConnectRequest, SharedTerminal } from "./shared-terminal.ts";

/** What a sandbox has to open terminals in. */
export interface TerminalTarget {
  /** `undefined` while that part of the sandbox is not there. */
  place(role: "vm" | "cluster"): Place | undefined;
  openConsole(): Promise<Duplex>;
}

export interface TerminalHubDeps {
  resolve(sandboxId: string): TerminalTarget | undefined;
  /** Terminals nobody looks at are let go of after this; their shells live on. Ten minutes when absent. */
  idleMs?: number;
  /** A writer's page that shows nothing for so long holds its shell up no longer. Ten seconds when absent. */
  writerStallMs?: number;
}

/** What a terminal costs right now. */
export interface TerminalUse {
  terminalId: string;
  viewers: number;
  bufferedBytes: number;
}

/** Shells in one sandbox at a time; more is a mistake or a nuisance. */
const LIMIT_PER_SANDBOX = 16;
const IDLE_MS = 10 * 60_000;
const WRITER_STALL_MS = 10_000;

const NOT_THERE = {
  vm: "the VM is not there yet",
  cluster: "the cluster's shell is not there yet",
} as const;

/** The hub of a lab server. Disposing it leaves every shell running. */
export function createTerminalHub(deps: TerminalHubDeps): TerminalHub & { use(): TerminalUse[] } {
  const terminals = new Map<string, SharedTerminal>();

  async function connect(
    sandboxId: string,
    { role, name }: TerminalOpen,
    request: ConnectRequest,
  ): Promise<TerminalLink> {
    const target = deps.resolve(sandboxId);
    if (!target) throw new LabError("not_found", "the sandbox is gone");
    if (role === "console") return await openConsoleLink(await target.openConsole());
    const place = target.place(role);
    if (!place) throw new LabError("terminal_failed", NOT_THERE[role], { hint: "it opens by itself" });
    return await openHolderLink(place, { ...request, name: `${role}-${name}` });
  }

  function drop(terminalId: string, reason?: LabError): void {
    const terminal = terminals.get(terminalId);
    terminals.delete(terminalId);
    terminal?.close(reason);
  }

  function terminalFor(sandboxId: string, request: TerminalOpen): SharedTerminal {
    const terminalId = `${sandboxId}/${request.role}/${request.name}`;
    const running = terminals.get(terminalId);
    if (running) return running;
    if (ofSandbox(sandboxId).length >= LIMIT_PER_SANDBOX)
      throw new LabError("too_many_requests", `a sandbox has at most ${LIMIT_PER_SANDBOX} terminals`, {
        hint: "use one that is open",
      });
    const terminal = new SharedTerminal({
      terminalId,
      connect: (link) => connect(sandboxId, request, link),
      idleMs: deps.idleMs ?? IDLE_MS,
      writerStallMs: deps.writerStallMs ?? WRITER_STALL_MS,
      onIdle: () => drop(terminalId),
    });
    terminals.set(terminalId, terminal);
    return terminal;
  }

  const ofSandbox = (sandboxId: string) =>
    [...terminals.keys()].filter((id) => id.startsWith(`${sandboxId}/`));

  return {
    open: async (sandboxId, request, viewer) => {
      if (!deps.resolve(sandboxId)) throw new LabError("not_found", "the sandbox is gone");
      return await terminalFor(sandboxId, request).open(request, viewer);
    },
    input: async (terminalId, viewerId, data) => await terminals.get(terminalId)?.input(viewerId, data),
    resize: (terminalId, viewerId, cols, rows) => terminals.get(terminalId)?.resize(viewerId, cols, rows),
    ack: (terminalId, viewerId, offset) => terminals.get(terminalId)?.ack(viewerId, offset),
    write: (terminalId, viewerId) => terminals.get(terminalId)?.write(viewerId),
    close: (terminalId, viewerId) => terminals.get(terminalId)?.leave(viewerId),
    leave: (viewerId) => {
      for (const terminal of [...terminals.values()]) terminal.leave(viewerId);
    },
    reattach: (sandboxId) => {
      for (const id of ofSandbox(sandboxId)) terminals.get(id)?.reattach();
    },
    forget: (sandboxId) => {
      for (const id of ofSandbox(sandboxId)) drop(id, new LabError("not_found", "the sandbox is gone"));
    },
    use: () =>
      [...terminals].map(([terminalId, { viewers, bufferedBytes }]) => ({
        terminalId,
        viewers,
        bufferedBytes,
      })),
    [Symbol.asyncDispose]: async () => {
      for (const id of [...terminals.keys()]) drop(id);
    },
  };
}
