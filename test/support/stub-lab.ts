import { existsSync, type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { PrepareLab, WatchTasks } from "../../server/checks/task-watcher.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import { say, verbatim } from "../../server/checks/words.ts";
import { type Lab, type Task, WORLD_NAMES, type WorldName } from "../../server/labs/lab.ts";
import type { StubPlace } from "./stub-place.ts";

function task(id: string, world: Task["world"], after: string[]): Task {
  return {
    id,
    title: say(`Task ${id}`, `任务 ${id}`),
    world,
    points: 10,
    after,
    checks: [],
    hints: [say(`<p>Hint for ${id}</p>`, `<p>${id} 的提示</p>`), say("<p>Solution</p>", "<p>答案</p>")],
    solution: [{ run: world === "cluster" ? "cluster" : "vm", commands: `touch "$STUB_HOME/${id}"` }],
    shortcuts: [],
  };
}

/** A lab of three tasks: each is passed when a file of its name is at home in its world. */
export const stubLab: Lab = {
  id: "stub-lab",
  title: say("Stub lab", "占位实验"),
  summary: say("Three files.", "三个文件。"),
  minutes: 10,
  needs: { nodes: 1, networkPolicy: false },
  webServices: [
    { name: say("Inventory", "库存"), world: "vm", port: 80 },
    { name: say("API", "接口"), world: "cluster", port: 30080 },
  ],
  setup: [
    { on: "vm", name: "break.sh", script: "true" },
    { on: "cluster", name: "namespace.yaml", manifests: "" },
  ],
  tasks: [task("first", "vm", []), task("second", "cluster", ["first"]), task("third", "both", ["second"])],
  text: {
    en: [
      { kind: "html", html: "<h2>Welcome</h2><p>Make three files.</p>" },
      { kind: "task", taskId: "first" },
      { kind: "code", code: 'touch "$STUB_HOME/first"', language: "sh", run: "vm" },
      { kind: "task", taskId: "second" },
      { kind: "code", code: 'touch "$STUB_HOME/second"', language: "sh", run: "cluster" },
      { kind: "task", taskId: "third" },
    ],
    zh: [{ kind: "html", html: "<h2>欢迎</h2>" }],
  },
};

/** Leaves a file in the world that tells the lab was prepared there. */
export const prepareStubLab: PrepareLab = async (lab, sandbox, world, signal) => {
  signal.throwIfAborted();
  const content = new TextEncoder().encode(lab.id);
  await (world === "vm" ? sandbox.machine() : sandbox.cluster())?.place.writeFile("/prepared", content, {
    mode: 0o644,
    owner: "admin",
  });
};

/** Judges tasks by files, as they appear: no polling here either. */
export const watchStubTasks: WatchTasks = ({ lab, sandbox, passed, prepared, onVerdict }) => {
  const begun = new Set<WorldName>(prepared);
  const done = new Set(passed);
  const told = new Map<string, string>();
  const stop = new AbortController();
  const watchers = new Map<string, FSWatcher>();
  const isPrepared = ({ world }: Task) =>
    WORLD_NAMES.every((name) => begun.has(name) || (world !== name && world !== "both"));
  const isOpen = (one: Task) => !done.has(one.id) && one.after.every((id) => done.has(id)) && isPrepared(one);
  const look = (): void => {
    if (stop.signal.aborted) return;
    for (const one of lab.tasks.filter(isOpen)) {
      const verdict = judge(one, sandbox);
      if (told.get(one.id) === verdict.state) continue;
      told.set(one.id, verdict.state);
      onVerdict(verdict);
      if (verdict.state === "passed") {
        done.add(one.id);
        look();
      }
    }
  };
  const observe = () => {
    for (const home of homes(sandbox)) if (!watchers.has(home)) watchers.set(home, watch(home, look));
    look();
  };
  sandbox.onChange(observe, stop.signal);
  observe();
  return {
    begin(world) {
      begun.add(world);
      look();
    },
    async evaluate(taskId) {
      const one = lab.tasks.find(({ id }) => id === taskId);
      if (!one) throw new Error(`no task ${taskId}`);
      return judge(one, sandbox);
    },
    listening: Promise.resolve(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      for (const watcher of watchers.values()) watcher.close();
    },
  };
};

function judge(one: Task, sandbox: Sandbox): TaskVerdict {
  const startedAt = performance.now();
  const world = one.world === "cluster" ? "cluster" : "vm";
  const label = say(`File ${one.id}`, `文件 ${one.id}`);
  const isThere = homes(sandbox).some((home) => existsSync(join(home, one.id)));
  return {
    taskId: one.id,
    state: isThere ? "passed" : "failed",
    conditions: [
      isThere
        ? { state: "passed", label }
        : {
            state: "failed",
            label,
            expected: say(`\`${one.id}\` at home in the ${world}`, `${world} 主目录里有 \`${one.id}\``),
            found: say("no such file", "没有这个文件"),
            hint: verbatim(`touch "$STUB_HOME/${one.id}"`),
          },
    ],
    checkedAt: new Date(),
    tookMs: performance.now() - startedAt,
  };
}

function homes(sandbox: Sandbox): string[] {
  const places = [sandbox.machine()?.place, sandbox.cluster()?.place] as (StubPlace | undefined)[];
  return places.flatMap((place) => (place ? [place.home] : []));
}
