import { WORLD_NAMES, type WorldName } from "../labs/lab.ts";
import type { Check, CheckOf } from "./check.ts";
import { ClusterWatch } from "./cluster/cluster-watch.ts";
import { SurvivalWatch } from "./cluster/survival-watch.ts";
import { evaluateTask, type World } from "./evaluate.ts";
import { TaskSchedule } from "./task-schedule.ts";
import type { TaskWatcher, TaskWatcherOptions, WatchTasks } from "./task-watcher.ts";
import {
  filesAndSpaces,
  namespacesOf,
  needsCluster,
  needsVm,
  type Topic,
  topicsOf,
  unitsOf,
  worldsOf,
} from "./topics.ts";
import type { TaskVerdict } from "./verdict.ts";
import { runGuestAgent, type VmTopic } from "./vm/guest-agent.ts";
import { createVmObserver } from "./vm/vm-observer.ts";

/** At most one a minute is promised; an idle VM under emulation is worth more rest than that. */
const SWEEP_MS = 180_000;

/** See `TaskWatcher` for what it promises. */
export const watchTasks: WatchTasks = (options) => new Watcher(options);

class Watcher implements TaskWatcher {
  readonly #options: TaskWatcherOptions;
  readonly #checks: readonly Check[];
  readonly #stop = new AbortController();
  readonly #prepared = new Set<WorldName>();
  readonly #agentReady = Promise.withResolvers<void>();
  readonly #clusterReady = Promise.withResolvers<void>();
  readonly #schedule: TaskSchedule;
  readonly #survivals = new Map<CheckOf<"survives_deletion">, SurvivalWatch>();
  readonly #cluster: ClusterWatch;
  readonly #running: Promise<void>[] = [];
  readonly #leftovers = new Set<Promise<void>>();
  readonly #sweep: NodeJS.Timeout | undefined;
  readonly listening: Promise<void>;

  constructor(options: TaskWatcherOptions) {
    const { lab, sandbox, passed, prepared = WORLD_NAMES, onVerdict, sweepMs = SWEEP_MS } = options;
    const checks = lab.tasks.flatMap((task) => task.checks);
    this.#options = options;
    this.#checks = checks;
    this.listening = Promise.all([this.#agentReady.promise, this.#clusterReady.promise]).then(() => {});

    this.#cluster = new ClusterWatch({
      sandbox,
      namespaces: namespacesOf(checks),
      onChange: (change, { view, prober }) => {
        for (const survival of this.#survivals.values()) survival.onChange(change, view, prober);
        this.#touch(`cluster:${change.kind}`);
      },
      onConnect: ({ view, prober }) => {
        for (const survival of this.#survivals.values()) survival.refresh(view, prober);
        this.#schedule.touch((task) => needsCluster(task.checks));
        prober.warmUp().then(this.#clusterReady.resolve, () => {});
      },
      onLost: () => {
        for (const survival of this.#survivals.values()) survival.lose();
        this.#schedule.touch((task) => needsCluster(task.checks));
      },
    });

    const world: World = {
      vm: createVmObserver(() => sandbox.machine()?.place),
      machine: () => sandbox.machine(),
      cluster: () => this.#cluster.current,
      survival: (check) => this.#survivals.get(check)?.result ?? { kind: "none" },
      afterwards: (work) => {
        // A VM that goes off meanwhile keeps a row of ours, which is named as such.
        const over = work.catch(() => {}).finally(() => this.#leftovers.delete(over));
        this.#leftovers.add(over);
      },
    };
    this.#schedule = new TaskSchedule({
      tasks: lab.tasks,
      passed,
      isPrepared: (task) => worldsOf(task).every((world) => this.#prepared.has(world)),
      evaluate: (task) => evaluateTask(task, world),
      onVerdict: (verdict) => {
        onVerdict(verdict);
        if (verdict.state === "passed") this.#openSurvivals();
      },
    });
    if (!needsVm(checks)) this.#agentReady.resolve();
    if (!needsCluster(checks)) this.#clusterReady.resolve();
    if (sweepMs !== null) this.#sweep = setInterval(() => this.#schedule.touch(() => true), sweepMs).unref();
    for (const world of prepared) this.begin(world);
  }

  begin(world: WorldName): void {
    if (this.#prepared.has(world) || this.#stop.signal.aborted) return;
    this.#prepared.add(world);
    if (world === "vm" && needsVm(this.#checks)) this.#running.push(this.#listenToVm());
    if (world === "cluster" && needsCluster(this.#checks))
      this.#running.push(this.#cluster.run(this.#stop.signal));
    this.#openSurvivals();
    this.#schedule.touch((task) => worldsOf(task).includes(world));
  }

  async evaluate(taskId: string): Promise<TaskVerdict> {
    return await this.#schedule.evaluate(taskId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweep);
    this.#stop.abort();
    await Promise.all([...this.#survivals.values()].map((survival) => survival[Symbol.asyncDispose]()));
    await Promise.all([...this.#running, this.#schedule[Symbol.asyncDispose]()]);
    await Promise.all(this.#leftovers);
  }

  async #listenToVm(): Promise<void> {
    const { sandbox } = this.#options;
    const touchAll = () => this.#schedule.touch((task) => worldsOf(task).includes("vm"));
    const onReady = () => {
      touchAll();
      this.#agentReady.resolve();
    };
    const onEvent = (topic: VmTopic, what: string) => this.#touch(`vm:${topic}`, what);
    const place = () => sandbox.machine()?.place;
    const watched = filesAndSpaces(this.#checks);
    await runGuestAgent({ place, ...watched, onEvent, onReady, onLost: touchAll }, this.#stop.signal);
  }

  #touch(topic: Topic, what = ""): void {
    this.#schedule.touch((task) => task.checks.some((check) => isTouched(check, topic, what)));
  }

  /** Asking a Service costs something: only for tasks that are open. */
  #openSurvivals(): void {
    for (const task of this.#options.lab.tasks)
      for (const check of task.checks) {
        if (check.kind !== "survives_deletion") continue;
        const isOpen = this.#schedule.isOpen(task.id);
        const there = this.#survivals.get(check);
        if (isOpen && !there) {
          const survival = new SurvivalWatch(check, () => this.#schedule.touch((one) => one.id === task.id));
          this.#survivals.set(check, survival);
          const cluster = this.#cluster.current;
          if (cluster) survival.refresh(cluster.view, cluster.prober);
        } else if (!isOpen && there) {
          this.#survivals.delete(check);
          void there[Symbol.asyncDispose]();
        }
      }
  }
}

const UNIT_NAME = /([\w@.-]+\.(?:service|socket|timer|mount|path))/;

/** An event that names another unit than the check's is none of its business. */
function isTouched(check: Check, topic: Topic, what: string): boolean {
  if (!topicsOf(check).includes(topic)) return false;
  const units = topic === "vm:units" ? unitsOf(check) : undefined;
  const named = UNIT_NAME.exec(what)?.[1];
  return !units || named === undefined || units.some((unit) => named.startsWith(unit));
}
