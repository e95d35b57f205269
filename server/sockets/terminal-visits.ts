import type { DefaultEventsMap, Socket } from "socket.io";
import { LabError } from "../../sandboxes/errors.ts";
import type { Attempts } from "../attempts/attempts.ts";
import { errorBody } from "../errors.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { ClientToServer, ServerToClient, TerminalOpen, TerminalOpened } from "../protocol/socket.ts";
import type { Attempt } from "../store/store.ts";
import type { TerminalHub, TerminalViewer } from "../terminal/hub.ts";
import type { EventBudget } from "./event-budget.ts";

/** What is known of a socket since it connected. */
export interface SocketData {
  sessionId: string | undefined;
  /** Shared by all sockets of its person. */
  budget: EventBudget;
}

export type LabSocket = Socket<ClientToServer, ServerToClient, DefaultEventsMap, SocketData>;

interface Visit {
  viewer: TerminalViewer;
  attemptId: string;
}

/** The terminals one socket looks at. It can name no others, whatever ids it sends. */
export class TerminalVisits {
  readonly #socket: LabSocket;
  readonly #deps: { hub: TerminalHub; attempts: Attempts; metrics: Metrics };
  readonly #visits = new Map<string, Visit>();
  /** One per attempt: whether it may write depends on whose attempt it is. */
  readonly #viewers = new Map<string, TerminalViewer>();
  /** What the hub says of a terminal whose id the page does not know yet. */
  #early: { terminalId: string; tell: () => void }[] = [];
  #opening = 0;
  #isOver = false;

  constructor(socket: LabSocket, deps: { hub: TerminalHub; attempts: Attempts; metrics: Metrics }) {
    this.#socket = socket;
    this.#deps = deps;
  }

  /** `answer` is called before anything else is told of the terminal. */
  async open(
    attempt: Attempt,
    request: TerminalOpen,
    options: { mayWrite: boolean },
    answer: (opened: TerminalOpened) => void,
  ): Promise<void> {
    const { hub, attempts, metrics } = this.#deps;
    const sandbox = attempts.sandboxOf(attempt.id);
    const viewer = this.#viewers.get(attempt.id) ?? this.#newViewer(attempt.id, options.mayWrite);
    this.#opening += 1;
    const opened = await hub.open(sandbox.id, request, viewer).finally(() => {
      this.#opening -= 1;
    });
    if (this.#isOver) return hub.leave(viewer.id);
    if (!this.#visits.has(opened.terminalId)) metrics.terminalViewers.inc();
    this.#visits.set(opened.terminalId, { viewer, attemptId: attempt.id });
    answer(opened);
    const early = this.#early;
    this.#early =
      this.#opening === 0 ? [] : early.filter(({ terminalId }) => terminalId !== opened.terminalId);
    for (const { terminalId, tell } of early) if (terminalId === opened.terminalId) tell();
  }

  /** Resolves when the program has taken it. */
  async input(terminalId: string, data: string): Promise<void> {
    const visit = this.#visits.get(terminalId);
    if (!visit?.viewer.mayWrite) return;
    this.#deps.attempts.touch(visit.attemptId);
    await this.#deps.hub.input(terminalId, visit.viewer.id, data);
  }

  resize(terminalId: string, cols: number, rows: number): void {
    const visit = this.#visits.get(terminalId);
    if (visit?.viewer.mayWrite) this.#deps.hub.resize(terminalId, visit.viewer.id, cols, rows);
  }

  ack(terminalId: string, offset: number): void {
    const visit = this.#visits.get(terminalId);
    if (visit) this.#deps.hub.ack(terminalId, visit.viewer.id, offset);
  }

  /** @throws LabError `not_found`, `forbidden` */
  write(terminalId: string): void {
    const visit = this.#visits.get(terminalId);
    if (!visit) throw new LabError("not_found", "this terminal is not open here");
    if (!visit.viewer.mayWrite) throw new LabError("forbidden", "only the learner types here");
    this.#deps.hub.write(terminalId, visit.viewer.id);
  }

  close(terminalId: string): void {
    const visit = this.#visits.get(terminalId);
    if (!visit) return;
    this.#forget(terminalId);
    this.#deps.hub.close(terminalId, visit.viewer.id);
  }

  /** The socket is gone. */
  leave(): void {
    this.#isOver = true;
    for (const terminalId of [...this.#visits.keys()]) this.#forget(terminalId);
    for (const viewer of this.#viewers.values()) this.#deps.hub.leave(viewer.id);
  }

  #forget(terminalId: string): void {
    if (this.#visits.delete(terminalId)) this.#deps.metrics.terminalViewers.dec();
  }

  #newViewer(attemptId: string, mayWrite: boolean): TerminalViewer {
    const socket = this.#socket;
    const tell = (terminalId: string, event: () => void) => {
      if (this.#visits.has(terminalId)) event();
      else if (this.#opening > 0) this.#early.push({ terminalId, tell: event });
    };
    const viewer: TerminalViewer = {
      id: `${socket.id}:${attemptId}`,
      mayWrite,
      output: (id, offset, data) => tell(id, () => socket.emit("terminal:output", id, offset, data)),
      snapshot: (id, offset, screen, instance) =>
        tell(id, () => socket.emit("terminal:snapshot", id, offset, screen, instance)),
      size: (id, cols, rows, isWriter) =>
        tell(id, () => socket.emit("terminal:size", id, cols, rows, isWriter)),
      exit: (id, status) => tell(id, () => socket.emit("terminal:exit", id, status)),
      lost: (id, reason) => tell(id, () => socket.emit("terminal:lost", id, errorBody(reason))),
    };
    this.#viewers.set(attemptId, viewer);
    return viewer;
  }
}
