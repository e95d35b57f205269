import type { Logger } from "pino";
import type { Sandbox, SandboxInspection } from "../../sandboxes/sandbox.ts";
import type { PrepareLab, TaskWatcher, WatchTasks } from "../checks/task-watcher.ts";
import type { TaskVerdict } from "../checks/verdict.ts";
import type { Lab, WorldName } from "../labs/lab.ts";
import { SandboxActions } from "./sandbox-actions.ts";
import type { LabStarts } from "./sandbox-view.ts";
import { WorldStart } from "./world-start.ts";

/** An inspection asks Docker and the cluster. One that is older is made anew, though nothing told of a change. */
const INSPECTION_KEPT_MS = 2_000;

interface Inspection {
  at: number;
  value: Promise<SandboxInspection>;
}

export interface LabRunDeps {
  lab: Lab;
  sandbox: Sandbox;
  /** Where the lab's set-up has run earlier. */
  isPrepared: Readonly<Record<WorldName, boolean>>;
  /** Tasks passed earlier in this round. */
  passed: ReadonlySet<string>;
  prepareLab: PrepareLab;
  watchTasks: WatchTasks;
  log: Logger;
  /** The set-up has run in this world; resolves when that is kept. */
  onPrepared(world: WorldName): Promise<void>;
  onVerdict(verdict: TaskVerdict): void;
  /** Something a page shows has changed. */
  onChange(): void;
}

/** One lab in one sandbox: brings each world to the lab's start when it is there, and watches its tasks from then on. */
export class LabRun implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly actions: SandboxActions;
  readonly #deps: LabRunDeps;
  readonly #stop = new AbortController();
  readonly #starts: Record<WorldName, WorldStart>;
  readonly #watcher: TaskWatcher;
  #inspection: Inspection | undefined;

  constructor(deps: LabRunDeps) {
    this.#deps = deps;
    this.sandbox = deps.sandbox;
    this.actions = new SandboxActions({
      sandboxId: deps.sandbox.id,
      log: deps.log,
      onBegin: () => deps.onChange(),
      onEnd: () => this.#changed(),
    });
    // First, so that who waits for a change looks at the sandbox as it is after it.
    deps.sandbox.onChange(() => this.#changed(), this.#stop.signal);
    const { lab, sandbox, passed, watchTasks, onVerdict } = deps;
    this.#watcher = watchTasks({ lab, sandbox, passed, prepared: [], onVerdict });
    this.#starts = { vm: this.#startOf("vm"), cluster: this.#startOf("cluster") };
  }

  get labStarts(): LabStarts {
    return { vm: this.#starts.vm.state, cluster: this.#starts.cluster.state };
  }

  /** Begins, or begins again where the set-up has failed. */
  begin(): void {
    for (const start of Object.values(this.#starts)) start.begin();
  }

  /**
   * The sandbox as it was when it last told of a change. An old answer is looked after behind the back of whoever asks:
   * a verdict on its way to the page waits for no Docker.
   */
  inspect(): Promise<SandboxInspection> {
    const known = this.#inspection;
    if (known && Date.now() - known.at > INSPECTION_KEPT_MS) void this.#lookAgain(known).catch(() => {});
    return (known ?? this.#look()).value;
  }

  #look(): Inspection {
    const inspection = { at: Date.now(), value: this.sandbox.inspect() };
    this.#inspection = inspection;
    inspection.value.catch(() => {
      if (this.#inspection === inspection) this.#inspection = undefined;
    });
    return inspection;
  }

  async #lookAgain(known: Inspection): Promise<void> {
    known.at = Date.now();
    const [before, now] = await Promise.all([known.value, this.sandbox.inspect()]);
    if (this.#inspection !== known || this.#stop.signal.aborted) return;
    this.#inspection = { at: Date.now(), value: Promise.resolve(now) };
    if (essence(now) !== essence(before)) this.#deps.onChange();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(Object.values(this.#starts).map((start) => start[Symbol.asyncDispose]()));
    await this.#watcher[Symbol.asyncDispose]();
  }

  #startOf(world: WorldName): WorldStart {
    const { isPrepared, onPrepared } = this.#deps;
    return new WorldStart({
      ...this.#deps,
      world,
      isPrepared: isPrepared[world],
      inspect: () => this.inspect(),
      onPrepared: () => onPrepared(world),
      onDone: () => this.#watcher.begin(world),
      onChange: () => this.#changed(),
    });
  }

  #changed(): void {
    this.#inspection = undefined;
    this.#deps.onChange();
  }
}

/** What of an inspection makes a difference to a page; running times are not it. */
function essence({ phase, machine, cluster, failure }: SandboxInspection): string {
  return JSON.stringify([phase, machine, cluster, failure]);
}
