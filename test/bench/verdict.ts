import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Check } from "../../server/checks/check.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import type { Lab, Task } from "../../server/labs/lab.ts";

/** The longest one verdict may take before the measurement is given up. */
const VERDICT_MS = 60_000;
const PAUSE_MS = 1_500;

/**
 * Milliseconds from a change in the cluster to the verdict that sees it, by events alone: a Service whose selector
 * matches nothing is given the right one, and the verdict waits for its endpoints and for an answer through it.
 */
export async function measureVerdictCluster(sandbox: Sandbox, samples: number): Promise<number[]> {
  const cluster = sandbox.cluster();
  if (!cluster) throw new Error("the sandbox has no cluster");
  const namespace = `footbridge-bench-${randomBytes(3).toString("hex")}`;
  const config = new KubeConfig();
  config.loadFromString(await cluster.kubeconfig("admin"));
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  try {
    const type = (commands: string) =>
      cluster.place.exec(["/bin/bash", "-elc", commands], { user: "admin", timeoutMs: VERDICT_MS });
    const made = await type(
      `kubectl -n ${namespace} create deployment app --image=inventory-api:1.0
       kubectl -n ${namespace} rollout status deployment/app`,
    );
    if (made.exitCode !== 0) throw new Error(made.stderr);
    for (let index = 0; index < samples; index += 1)
      await core.createNamespacedService({
        namespace,
        body: {
          metadata: { name: `service-${index}` },
          spec: { selector: { app: "nothing" }, ports: [{ port: 80, targetPort: 8080 }] },
        },
      });
    const checks = (index: number): Check[] => [
      {
        kind: "service",
        namespace,
        service: `service-${index}`,
        port: 80,
        deployment: "app",
        path: "/whoami",
        whoField: "hostname",
      },
    ];
    const change = (index: number) =>
      core.patchNamespacedService(
        { name: `service-${index}`, namespace, body: { spec: { selector: { app: "app" } } } },
        setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
      );
    return await measure(sandbox, benchLab("cluster", samples, checks), change);
  } finally {
    await core.deleteNamespace({ name: namespace });
  }
}

/** Milliseconds from `systemctl enable --now` of a unit in the VM to the verdict that it runs and starts at boot. */
export async function measureVerdictVm(sandbox: Sandbox, samples: number): Promise<number[]> {
  const place = sandbox.machine()?.place;
  if (!place) throw new Error("the sandbox has no VM");
  const type = async (commands: string) => {
    const argv = ["/bin/bash", "-ec", commands];
    const { exitCode, stderr } = await place.exec(argv, { user: "root", timeoutMs: VERDICT_MS });
    if (exitCode !== 0) throw new Error(stderr);
  };
  const all = Array.from({ length: samples }, (_, index) => `footbridge-bench-${index}.service`);
  await type(
    `for unit in ${all.join(" ")}; do
       printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/$unit
     done
     systemctl daemon-reload`,
  );
  try {
    const checks = (index: number): Check[] => {
      const unit = all[index] ?? "";
      return [
        { kind: "unit_active", unit, forMs: 0 },
        { kind: "unit_enabled", unit },
      ];
    };
    return await measure(sandbox, benchLab("vm", samples, checks), (index) =>
      type(`systemctl --quiet enable --now ${all[index]}`),
    );
  } finally {
    await type(
      `systemctl --quiet disable --now ${all.join(" ")} || true
       rm -f /etc/systemd/system/footbridge-bench-*; systemctl daemon-reload`,
    );
  }
}

async function measure(
  sandbox: Sandbox,
  lab: Lab,
  change: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const seen = lab.tasks.map(() => ({
    failed: Promise.withResolvers<void>(),
    passed: Promise.withResolvers<number>(),
  }));
  await using watcher = watchTasks({
    lab,
    sandbox,
    passed: new Set(),
    sweepMs: null,
    onVerdict: ({ taskId, state }) => {
      const one = seen[Number(taskId)];
      if (state === "passed") one?.passed.resolve(performance.now());
      else if (state === "failed") one?.failed.resolve();
    },
  });
  await within(watcher.listening, "the watches");
  const samples: number[] = [];
  for (const [index, { failed, passed }] of seen.entries()) {
    await within(failed.promise, `task ${index} to be looked at`);
    // As far apart as a person's changes are: kube-proxy puts off a second one within a second of the first.
    await delay(PAUSE_MS);
    await change(index);
    const changedAt = performance.now();
    samples.push(Math.max(0, (await within(passed.promise, `the verdict of task ${index}`)) - changedAt));
  }
  return samples;
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`waited ${VERDICT_MS / 1000} s for ${what}`)),
    VERDICT_MS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A lab of many tasks that are alike, each of which is passed once. */
function benchLab(world: "vm" | "cluster", samples: number, checks: (index: number) => Check[]): Lab {
  const text = { en: "bench", zh: "bench" };
  const tasks = Array.from(
    { length: samples },
    (_, index): Task => ({
      id: String(index),
      title: text,
      world,
      points: 1,
      after: [],
      checks: checks(index),
      hints: [],
      solution: [],
      shortcuts: [],
    }),
  );
  return {
    id: "bench",
    title: text,
    summary: text,
    minutes: 5,
    needs: { nodes: 1, networkPolicy: false },
    webServices: [],
    setup: [],
    tasks,
    text: { en: [], zh: [] },
  };
}
