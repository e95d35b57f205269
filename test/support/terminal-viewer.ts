import { Buffer } from "node:buffer";
import type { LabError } from "../../sandboxes/errors.ts";
import type { TerminalOpen, TerminalOpened } from "../../server/protocol/socket.ts";
import type { TerminalHub, TerminalViewer } from "../../server/terminal/hub.ts";
import { poll } from "../poll.ts";

export interface TestViewerOptions {
  id?: string;
  /** False for one that shows nothing it gets. */
  acks?: boolean;
  open?: Partial<TerminalOpen>;
}

/** A page without a page: what it is told, in order, and acknowledged as a page does that draws at once. */
export class TestViewer implements TerminalViewer {
  readonly id: string;
  mayWrite = true;
  acks: boolean;
  opened: TerminalOpened | undefined;
  /** Newest output, as text. */
  text = "";
  bytes = 0;
  /** What is not a piece of output: `size 80x24 writer`, `exit 0`, `lost REASON`, `snapshot`. */
  readonly events: string[] = [];
  snapshotText = "";
  instance = "";
  onOutput: ((data: Uint8Array) => void) | undefined;
  /** Output that did not follow on what came before. */
  gaps = 0;
  end = 0;
  readonly #hub: TerminalHub;

  constructor(hub: TerminalHub, { id = "viewer", acks = true }: TestViewerOptions = {}) {
    this.#hub = hub;
    this.id = id;
    this.acks = acks;
  }

  static async open(hub: TerminalHub, options: TestViewerOptions = {}): Promise<TestViewer> {
    const viewer = new TestViewer(hub, options);
    await viewer.reopen(options.open);
    return viewer;
  }

  async reopen(request: Partial<TerminalOpen> = {}): Promise<TerminalOpened> {
    const opened = await this.#hub.open(
      "sandbox",
      { attemptId: "attempt", role: "vm", name: "1", cols: 80, rows: 24, ...request },
      this,
    );
    this.opened = opened;
    this.instance = opened.instance;
    this.end = opened.offset;
    if (opened.mode === "snapshot") this.snapshotText = opened.snapshot;
    if (this.acks) this.#hub.ack(opened.terminalId, this.id, opened.offset);
    return opened;
  }

  get terminalId(): string {
    return this.opened?.terminalId ?? "";
  }

  async type(text: string): Promise<void> {
    await this.#hub.input(this.terminalId, this.id, text);
  }

  async until(text: string, timeoutMs = 20_000): Promise<void> {
    const isThere = poll(() => this.text.includes(text), text, { timeoutMs, pauseMs: 2 });
    await isThere.catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.text.slice(-500))}`);
    });
  }

  /** Types a command and waits for what it prints, which the echo of the command must not hold. */
  async run(command: string, until: string, timeoutMs?: number): Promise<void> {
    this.text = "";
    await this.type(`${command}\r`);
    await this.until(until, timeoutMs);
  }

  output(terminalId: string, offset: number, data: Uint8Array): void {
    if (offset !== this.end) this.gaps += 1;
    this.end = offset + data.length;
    this.bytes += data.length;
    this.onOutput?.(data);
    this.text = (this.text + Buffer.from(data).toString("latin1")).slice(-200_000);
    if (this.acks) queueMicrotask(() => this.#hub.ack(terminalId, this.id, this.end));
  }

  snapshot(terminalId: string, offset: number, text: string, instance: string): void {
    this.events.push("snapshot");
    this.snapshotText = text;
    this.instance = instance;
    this.end = offset;
    if (this.acks) queueMicrotask(() => this.#hub.ack(terminalId, this.id, offset));
  }

  size(_terminalId: string, cols: number, rows: number, isWriter: boolean): void {
    this.events.push(`size ${cols}x${rows} ${isWriter ? "writer" : "watcher"}`);
  }

  exit(_terminalId: string, status: number): void {
    this.events.push(`exit ${status}`);
  }

  lost(_terminalId: string, reason: LabError): void {
    this.events.push(`lost ${reason.message}`);
  }
}
