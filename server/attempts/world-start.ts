import type { Logger } from "pino";
import { type LabError, toLabError } from "../../sandboxes/errors.ts";
import type { Sandbox, SandboxInspection } from "../../sandboxes/sandbox.ts";
import type { PrepareLab } from "../checks/task-watcher.ts";
import type { Lab, WorldName } from "../labs/lab.ts";
import type { LabStart } from "./sandbox-view.ts";

/** The longest a lab's set-up may take in one world, under emulation too. */
const PREPARE_TIMEOUT_MS = 15 * 60_000;

export interface WorldStartDeps {
  world: WorldName;
  lab: Lab;
  sandbox: Sandbox;
  /** Whether the set-up has run in it earlier. */
  isPrepared: boolean;
  prepareLab: PrepareLab;
  inspect(): Promise<SandboxInspection>;
  log: Logger;
  /** The set-up has run. Nobody is let into the world before this resolves: what is kept is not run again. */
  onPrepared(): Promise<void>;
  /** The world is at the lab's start. */
  onDone(): void;
  onChange(): void;
}

/** Brings one world of a sandbox to the lab's start as soon as it is there, whatever the other world does. */
export class WorldStart implements AsyncDisposable {
  readonly #deps: WorldStartDeps;
  readonly #stop = new AbortController();
  #state: LabStart = { state: "waiting" };
  #startedAt = 0;
  #work: Promise<void> | undefined;

  constructor(deps: WorldStartDeps) {
    this.#deps = deps;
  }

  get state(): LabStart {
    return this.#state.state === "started"
      ? { state: "started", elapsedMs: Date.now() - this.#startedAt }
      : this.#state;
  }

  /** Begins, or begins again where it has failed. Changes nothing while it is under way or done. */
  begin(): void {
    if (this.#state.state === "done") return;
    this.#work ??= this.#run()
      .catch((error: unknown) => this.#fail(toLabError(error)))
      .finally(() => {
        this.#work = undefined;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { world, lab, sandbox, isPrepared, prepareLab, onPrepared } = this.#deps;
    const { signal } = this.#stop;
    if (isPrepared) return this.#done(undefined);
    this.#become({ state: "waiting" });
    if (!(await this.#untilThere())) return;
    this.#startedAt = Date.now();
    this.#become({ state: "started", elapsedMs: 0 });
    const deadline = AbortSignal.timeout(PREPARE_TIMEOUT_MS);
    await prepareLab(lab, sandbox, world, AbortSignal.any([signal, deadline]));
    signal.throwIfAborted();
    await onPrepared();
    signal.throwIfAborted();
    this.#done(Date.now() - this.#startedAt);
  }

  /** False when the world never will be there. */
  async #untilThere(): Promise<boolean> {
    const { world, sandbox, inspect } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const changed = nextChange(sandbox, signal);
      if ((world === "vm" ? sandbox.machine() : sandbox.cluster()) !== undefined) return true;
      // The bring-up has deadlines of its own, and then it has failed.
      if ((await inspect()).phase === "failed") return false;
      await changed;
    }
    return false;
  }

  #done(elapsedMs: number | undefined): void {
    this.#become({ state: "done", elapsedMs });
    this.#deps.onDone();
  }

  #fail(error: LabError): void {
    const { log, sandbox, world } = this.#deps;
    if (this.#stop.signal.aborted) return;
    log.error({ err: error, sandbox: sandbox.id, world }, "lab not prepared");
    this.#become({
      state: "failed",
      elapsedMs: Date.now() - this.#startedAt,
      code: error.code,
      message: error.message,
      hint: error.hint ?? "press repair to try again, or reset for a new sandbox",
    });
  }

  #become(state: LabStart): void {
    this.#state = state;
    this.#deps.onChange();
  }
}

/** Resolves at the sandbox's next change, or when the signal aborts. */
function nextChange(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const once = new AbortController();
  const end = () => {
    once.abort();
    resolve();
  };
  sandbox.onChange(end, once.signal);
  signal.addEventListener("abort", end, { signal: once.signal });
  return promise;
}
