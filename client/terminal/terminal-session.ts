import type { Socket } from "socket.io-client";
import type { ErrorBody } from "../../server/protocol/http.ts";
import {
  ACK_EVERY_BYTES,
  type ClientToServer,
  type ServerToClient,
  type TerminalOpened,
} from "../../server/protocol/socket.ts";
import type { TerminalRole } from "../../server/protocol/views.ts";
import { InputQueue } from "./input-queue.ts";
import { ShellStart } from "./shell-start.ts";
import type { TerminalState } from "./terminal-state.ts";

export type TerminalSocket = Socket<ServerToClient, ClientToServer>;

/** What draws: everything in the order of the calls, `drawn` being called when it is on the screen. */
export interface TerminalScreen {
  write(data: Uint8Array | string, drawn: () => void): void;
  resize(cols: number, rows: number): void;
  /** Empties screen and scrollback. */
  reset(): void;
  /** Size that fits the page now. */
  fittingSize(): { cols: number; rows: number };
  /** Without the keyboard it also answers no questions of programs. */
  setWriter(isWriter: boolean): void;
}

export interface TerminalSessionDeps {
  socket: TerminalSocket;
  attemptId: string;
  role: TerminalRole;
  /** One page shows one terminal at most once. */
  name: string;
  screen: TerminalScreen;
  onState(state: TerminalState): void;
}

const visits = new WeakMap<TerminalSocket, Map<string, TerminalSession>>();

/** The newest visit to each terminal over a socket. */
function visitsOf(socket: TerminalSocket): Map<string, TerminalSession> {
  const known = visits.get(socket) ?? new Map<string, TerminalSession>();
  visits.set(socket, known);
  return known;
}

/**
 * One page's visit to one terminal. The shell and its screen are the server's: a visit that breaks begins again at the
 * byte where it broke.
 */
export class TerminalSession {
  readonly #deps: TerminalSessionDeps;
  readonly #input: InputQueue;
  readonly #shellStart = new ShellStart(() => this.#isInReach() && this.#inReach());
  readonly #stop = new AbortController();
  #terminalId = "";
  #instance = "";
  /** Output up to here has been given to the screen. */
  #received = 0;
  #acked = 0;
  #isWriter = false;
  #wantsKeyboard = false;
  #opening = 0;
  #asked = "";
  #state: TerminalState = { kind: "connecting" };

  constructor(deps: TerminalSessionDeps) {
    this.#deps = deps;
    this.#input = new InputQueue({
      send: (data, taken) => {
        const body = { terminalId: this.#terminalId, data };
        if (taken) deps.socket.emit("terminal:input", body, taken);
        else deps.socket.emit("terminal:input", body);
      },
    });
  }

  /** Opens the terminal now, and again after each connection of the socket. */
  start(): void {
    const { socket } = this.#deps;
    visitsOf(socket).set(this.#key, this);
    const mine = (terminalId: string) => terminalId === this.#terminalId && this.#terminalId !== "";
    const listeners: { [Event in keyof ServerToClient]?: ServerToClient[Event] } = {
      "server:ready": () => this.#state.kind === "refused" && this.#open(),
      "terminal:output": (id, offset, data) => mine(id) && this.#output(offset, data),
      "terminal:snapshot": (id, offset, text, instance) => mine(id) && this.#snapshot(offset, text, instance),
      "terminal:size": (id, cols, rows, isWriter) => mine(id) && this.#size(cols, rows, isWriter),
      "terminal:exit": (id, status) =>
        mine(id) && this.#deps.screen.write("", () => this.#tell({ kind: "ended", status })),
      "terminal:lost": (id, reason) => mine(id) && this.#lost(reason),
    };
    const onConnect = () => this.#open();
    const onDisconnect = () => this.#offline();
    for (const [event, listener] of Object.entries(listeners))
      socket.on(event as keyof ServerToClient, listener as never);
    socket.on("connect", onConnect);
    socket.on("disconnect", onDisconnect);
    this.#stop.signal.addEventListener("abort", () => {
      for (const [event, listener] of Object.entries(listeners))
        socket.off(event as keyof ServerToClient, listener as never);
      socket.off("connect", onConnect);
      socket.off("disconnect", onDisconnect);
    });
    if (socket.connected) this.#open();
    else this.#tell({ kind: "connecting" });
  }

  /** Leaves the terminal; its shell goes on. */
  stop(): void {
    this.#stop.abort();
    this.#shellStart.forget();
    if (this.#terminalId && !this.#isTakenOver())
      this.#deps.socket.emit("terminal:close", { terminalId: this.#terminalId });
    this.#terminalId = "";
  }

  /** What was typed or pasted. */
  input(data: string): void {
    // A command typed into a shell that is away must not run minutes later.
    if (this.#state.kind !== "lost") this.#input.add(data);
  }

  /** Types on behalf of the page, which takes the keyboard for it. */
  type(text: string): void {
    if (!this.#isWriter) this.takeKeyboard();
    this.#input.add(text);
  }

  takeKeyboard(): void {
    this.#wantsKeyboard = true;
    if (this.#terminalId)
      this.#deps.socket.emit("terminal:write", { terminalId: this.#terminalId }, (answer) => {
        if (!answer.ok) this.#input.clear();
      });
  }

  /** After the shell has ended, or the opening was refused. */
  openAnew(): void {
    this.#open({ restart: true });
  }

  /** The page has another size for the terminal. */
  fit(): void {
    const size = this.#deps.screen.fittingSize();
    if (!this.#terminalId || !this.#isWriter || !this.#isNewSize(size)) return;
    this.#deps.socket.emit("terminal:resize", { terminalId: this.#terminalId, ...size });
  }

  #isNewSize({ cols, rows }: { cols: number; rows: number }): boolean {
    const before = this.#asked;
    this.#asked = `${cols}x${rows}`;
    return this.#asked !== before;
  }

  get #key(): string {
    const { attemptId, role, name } = this.#deps;
    return `${attemptId}/${role}/${name}`;
  }

  /** Whether the page has begun another visit to the same terminal: to the server both are one viewer. */
  #isTakenOver(): boolean {
    return visitsOf(this.#deps.socket).get(this.#key) !== this;
  }

  #open({ restart = false } = {}): void {
    const { socket, attemptId, role, name, screen } = this.#deps;
    this.#opening += 1;
    const opening = this.#opening;
    const size = screen.fittingSize();
    this.#isNewSize(size);
    const known = this.#instance ? { from: this.#received, instance: this.#instance } : {};
    const request = {
      attemptId,
      role,
      name,
      ...size,
      ...known,
      ...(restart ? { restart } : {}),
    };
    if (!this.#instance || restart) this.#tell({ kind: "connecting" });
    socket.emit("terminal:open", request, (answer) => {
      if (this.#stop.signal.aborted) {
        if (answer.ok && !this.#isTakenOver())
          socket.emit("terminal:close", { terminalId: answer.value.terminalId });
        return;
      }
      if (opening !== this.#opening) return;
      if (answer.ok) this.#opened(answer.value);
      else this.#tell({ kind: "refused", reason: answer.error });
    });
  }

  #opened({ terminalId, mode, snapshot, offset, instance, cols, rows, isWriter }: TerminalOpened): void {
    const hadKeyboard = this.#isWriter || this.#wantsKeyboard;
    this.#terminalId = terminalId;
    this.#isWriter = isWriter;
    this.#deps.screen.setWriter(isWriter);
    if (mode === "snapshot") {
      this.#deps.screen.resize(cols, rows);
      this.#snapshot(offset, snapshot, instance);
    }
    this.#inReach();
    if (!isWriter) this.#asked = "";
    this.fit();
    // The server may not have noticed yet that this page's own last connection is gone.
    if (hadKeyboard && !isWriter) this.takeKeyboard();
  }

  #output(offset: number, data: Uint8Array): void {
    const bytes = new Uint8Array(data);
    const end = offset + bytes.length;
    // What does not follow on is a mistake somewhere: the screen must not be guessed.
    if (offset !== this.#received) {
      this.#startOver();
      return;
    }
    this.#received = end;
    this.#shellStart.end();
    const instance = this.#instance;
    this.#deps.screen.write(bytes, () => {
      if (instance === this.#instance && end - this.#acked >= ACK_EVERY_BYTES) this.#ack(end);
    });
    if (this.#state.kind === "lost") this.#inReach();
  }

  #snapshot(offset: number, text: string, instance: string): void {
    const isAnother = instance !== this.#instance;
    if (isAnother && this.#instance) this.#input.clear();
    this.#instance = instance;
    this.#received = this.#acked = offset;
    // A console may have nothing to print for as long as its VM runs, and reads all the same.
    if (text === "" && offset === 0 && this.#deps.role !== "console") this.#shellStart.begin();
    else this.#shellStart.forget();
    this.#deps.screen.reset();
    this.#deps.screen.write(text, () => {
      if (instance === this.#instance && this.#acked === offset) this.#ack(offset);
    });
    // Also where it is in reach already: the holding that an empty screen began may have ended without a word.
    const { kind } = this.#state;
    if (this.#isInReach() || kind === "lost" || (kind === "ended" && isAnother)) this.#inReach();
  }

  #size(cols: number, rows: number, isWriter: boolean): void {
    this.#deps.screen.resize(cols, rows);
    const changed = isWriter !== this.#isWriter;
    this.#isWriter = isWriter;
    if (!changed && this.#state.kind !== "lost") return;
    this.#deps.screen.setWriter(isWriter);
    if (isWriter && changed) this.fit();
    if (!isWriter) {
      this.#wantsKeyboard = false;
      this.#asked = "";
    }
    if (this.#state.kind !== "ended") this.#inReach();
  }

  #isInReach(): boolean {
    return ["open", "starting", "watching"].includes(this.#state.kind);
  }

  #inReach(): void {
    const { isSlow, holdsInput } = this.#shellStart;
    this.#tell({ kind: !this.#isWriter ? "watching" : isSlow ? "starting" : "open" });
    // A queue may still be open from the shell before.
    if (!this.#isWriter || holdsInput) this.#input.pause();
    else this.#input.open();
  }

  #lost(reason: ErrorBody): void {
    this.#input.pause();
    // What the page typed on behalf of its reader waits for the first shell.
    if (this.#instance) this.#input.clear();
    this.#tell({ kind: "lost", reason });
  }

  #offline(): void {
    this.#opening += 1;
    this.#input.pause();
    if (this.#state.kind !== "ended") this.#tell({ kind: "offline" });
  }

  #startOver(): void {
    this.#instance = "";
    this.#open();
  }

  #ack(offset: number): void {
    this.#acked = offset;
    if (this.#terminalId) this.#deps.socket.emit("terminal:ack", { terminalId: this.#terminalId, offset });
  }

  #tell(state: TerminalState): void {
    if (this.#stop.signal.aborted) return;
    this.#state = state;
    this.#deps.onState(state);
  }
}
