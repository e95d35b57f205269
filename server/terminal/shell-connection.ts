import { LabError, toLabError } from "../../sandboxes/errors.ts";
import type { TerminalLink, TerminalLinkEvents } from "../../sandboxes/terminal/terminal-link.ts";
import { Backoff } from "./backoff.ts";

export interface ShellConnectionDeps {
  connect(signal: AbortSignal): Promise<TerminalLink>;
  /** Gives the events of a new link, before the first of them comes. */
  attached(link: TerminalLink): Omit<TerminalLinkEvents, "exited" | "lost">;
  exited(status: number): void;
  /** Out of reach; the next attempt follows by itself while somebody wants it. */
  lost(reason: LabError): void;
  isWanted(): boolean;
}

/** Keeps one terminal attached to its shell for as long as somebody wants it, over every loss in between. */
export class ShellConnection {
  readonly #deps: ShellConnectionDeps;
  readonly #backoff = new Backoff();
  readonly #closed = new AbortController();
  #link: TerminalLink | undefined;
  #drop: ((reason: LabError) => void) | undefined;
  #isRunning = false;

  constructor(deps: ShellConnectionDeps) {
    this.#deps = deps;
  }

  /** The link, while the shell is in reach. */
  get link(): TerminalLink | undefined {
    return this.#link;
  }

  /** Attaches unless that is done or under way. */
  start(): void {
    if (!this.#isRunning) void this.#run();
  }

  /** Gives the connection up and tries anew at once: it may be dead and not know it yet. */
  renew(reason: LabError): void {
    this.#backoff.wake();
    this.#drop?.(reason);
  }

  close(): void {
    this.#closed.abort();
    this.#backoff.wake();
    this.#drop?.(new LabError("aborted", "the terminal was closed"));
    this.#link = undefined;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    this.#isRunning = true;
    while (!signal.aborted) {
      const since = performance.now();
      const status = await this.#live().catch((error: unknown) => toLabError(error));
      this.#link = undefined;
      if (signal.aborted) break;
      if (typeof status === "number") {
        this.#isRunning = false;
        this.#deps.exited(status);
        return;
      }
      this.#backoff.lived(performance.now() - since);
      this.#deps.lost(status);
      if (!this.#deps.isWanted()) break;
      await this.#backoff.pause();
    }
    this.#isRunning = false;
  }

  /** One connection from beginning to end: resolves with the shell's exit status, rejects when it is lost. */
  async #live(): Promise<number> {
    const link = await this.#deps.connect(this.#closed.signal);
    if (this.#closed.signal.aborted) link.close();
    this.#closed.signal.throwIfAborted();
    this.#link = link;
    const events = this.#deps.attached(link);
    return await new Promise<number>((resolve, reject) => {
      this.#drop = (reason) => {
        link.close();
        reject(reason);
      };
      link.begin({ ...events, exited: resolve, lost: reject });
    });
  }
}
