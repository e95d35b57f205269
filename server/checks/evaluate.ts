import { toLabError } from "../../sandboxes/errors.ts";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import type { Localized, Task } from "../labs/lab.ts";
import type { Check, CheckOf } from "./check.ts";
import { currentPods, find, isReady } from "./cluster/cluster-state.ts";
import type { ClusterView } from "./cluster/cluster-view.ts";
import { judgeSurvival } from "./cluster/judge-survival.ts";
import { judgeRollout } from "./cluster/rollout.ts";
import { endpointsFault, serviceAddress } from "./cluster/service.ts";
import { judgeSettings, setValue } from "./cluster/settings.ts";
import type { SurvivalResult } from "./cluster/survival.ts";
import { labelOf } from "./labels.ts";
import {
  judgePodAnswers,
  judgePortReachable,
  judgeServiceAnswers,
  judgeShown,
} from "./probes/judge-probes.ts";
import { askMachine, judgeMachineHttp } from "./probes/machine-http.ts";
import type { Prober } from "./probes/prober.ts";
import { checkSameData } from "./probes/same-data.ts";
import type { LocalizedCondition, TaskVerdict } from "./verdict.ts";
import { judgeFileSystem, observeFileSystem } from "./vm/file-system.ts";
import { judgeFirewallAfterBoot, observeFirewallAfterBoot } from "./vm/judge-firewall.ts";
import { judgeUnitActive, judgeUnitEnabled, observeUnit } from "./vm/unit.ts";
import type { VmObserver } from "./vm/vm-observer.ts";
import { errored, failed, type Outcome, passed, say, shortText } from "./words.ts";

/** A cluster within reach: what its watches have seen, and somebody in its pod network to ask. */
export interface ReachableCluster {
  view: ClusterView;
  prober: Prober;
}

/** Both worlds of one sandbox, as far as they are there. */
export interface World {
  vm: VmObserver;
  machine(): Machine | undefined;
  cluster(): ReachableCluster | undefined;
  survival(check: CheckOf<"survives_deletion">): SurvivalResult;
  /** Is left to end what a verdict need not wait for, and what must be over before the watching is. */
  afterwards(work: Promise<void>): void;
}

export interface Evaluation {
  verdict: TaskVerdict;
  /** Something may change that no event will tell. */
  mayChangeSoon: boolean;
}

/** Questions through a Service, so that one good Pod of several does not hide the others. */
const SERVICE_QUESTIONS = 3;
/** Port of the VM's own name in the pod network. */
const MACHINE_NAME = "machine";

/** Looks at everything one task asks for. Never throws: what can't be looked at is `errored`. */
export async function evaluateTask(task: Pick<Task, "id" | "checks">, world: World): Promise<Evaluation> {
  const began = performance.now();
  const outcomes = (await Promise.all(task.checks.map((check) => evaluateCheck(check, world)))).flat();
  const conditions = outcomes.map(({ mayChangeSoon: _, ...condition }) => shortened(condition));
  const has = (state: Outcome["state"]) => outcomes.some((outcome) => outcome.state === state);
  return {
    verdict: {
      taskId: task.id,
      state: has("failed") ? "failed" : has("errored") ? "errored" : "passed",
      conditions,
      checkedAt: new Date(),
      tookMs: Math.round(performance.now() - began),
    },
    mayChangeSoon: outcomes.some((outcome) => outcome.mayChangeSoon === true),
  };
}

/** Much of what a check finds was printed by the sandbox: whoever is root there decides how much that is. */
function shortened(condition: LocalizedCondition): LocalizedCondition {
  switch (condition.state) {
    case "passed":
      return condition;
    case "failed": {
      const { expected, found, hint } = condition;
      const texts = { expected: shortText(expected), found: shortText(found) };
      return { ...condition, ...texts, ...(hint && { hint: shortText(hint) }) };
    }
    case "errored":
      return { ...condition, reason: shortText(condition.reason) };
  }
}

async function evaluateCheck(check: Check, world: World): Promise<Outcome[]> {
  try {
    const outcomes = isOfVm(check) ? await lookAtVm(check, world) : await lookAtCluster(check, world);
    return Array.isArray(outcomes) ? outcomes : [outcomes];
  } catch (error) {
    return [errored(labelOf(check), await reasonFor(check, error, world))];
  }
}

type VmCheck = CheckOf<"unit_active" | "unit_enabled" | "file_system" | "machine_http">;

function isOfVm(check: Check): check is VmCheck {
  return ["unit_active", "unit_enabled", "file_system", "machine_http"].includes(check.kind);
}

async function lookAtVm(check: VmCheck, { vm, machine }: World): Promise<Outcome | Outcome[]> {
  switch (check.kind) {
    case "unit_active":
      return judgeUnitActive(check, await observeUnit(vm, check.unit));
    case "unit_enabled":
      return judgeUnitEnabled(check, await observeUnit(vm, check.unit));
    case "file_system":
      return judgeFileSystem(check, await observeFileSystem(vm, check));
    case "machine_http": {
      const there = machine();
      if (!there) throw new Unreachable(say("the VM is not there yet", "虚拟机尚未就绪"));
      const answer = await askMachine(there, check.port, check.path);
      if (answer.error !== undefined) await mustBeOn(there);
      return judgeMachineHttp(check, answer);
    }
  }
}

async function lookAtCluster(check: Exclude<Check, VmCheck>, world: World): Promise<Outcome | Outcome[]> {
  const cluster = world.cluster();
  if (!cluster) throw new Unreachable(say("the cluster can't be reached yet", "集群尚不可达"));
  const { view, prober } = cluster;
  await view.ensureAnswering();
  switch (check.kind) {
    case "port_reachable": {
      const ports = [check.port, check.control];
      const [state = "", control = ""] = await Promise.all(
        ports.map((port) => prober.knock(MACHINE_NAME, port)),
      );
      const there = world.machine();
      if (control !== "open" && there) await mustBeOn(there);
      return judgePortReachable(check, state, control);
    }
    case "port_after_boot": {
      const node = view
        .list("Node")[0]
        ?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
      if (!node) throw new Unreachable(say("no node has an address yet", "还没有节点取得地址"));
      return judgeFirewallAfterBoot(check, await observeFirewallAfterBoot(world.vm, check, node));
    }
    case "rollout":
      return judgeRollout(check, view, new Date());
    case "pod_http":
      return judgePodAnswers(check, await askPods(cluster, check, check.port, check.path));
    case "service":
      return await lookThroughService(check, cluster);
    case "settings": {
      const outcomes = judgeSettings(check, view);
      if (!check.shown) return outcomes;
      const answers = await askPods(cluster, check, check.shown.port, check.shown.path);
      return [...outcomes, judgeShown(check.shown, answers, (variable) => setValue(check, view, variable))];
    }
    case "same_data": {
      const target = { ...check, port: check.servicePort };
      const address = serviceAddress(view, target);
      if ("host" in address) return await checkSameData(check, address.host, { ...world, prober });
      const expected = say(`a Service \`${check.service}\``, `有 Service \`${check.service}\``);
      return failed(labelOf(check), { expected, found: address.fault });
    }
    case "survives_deletion":
      return judgeSurvival(check, world.survival(check));
  }
}

async function lookThroughService(
  check: CheckOf<"service">,
  { view, prober }: ReachableCluster,
): Promise<Outcome | Outcome[]> {
  const existsLabel = say(
    `Service \`${check.service}\` offers port ${check.port}`,
    `Service \`${check.service}\` 提供 ${check.port} 端口`,
  );
  const address = serviceAddress(view, check);
  if ("fault" in address)
    return failed(existsLabel, {
      expected: say(
        `a Service \`${check.service}\` with an address and port ${check.port} in namespace \`${check.namespace}\``,
        `命名空间 \`${check.namespace}\` 中有 Service \`${check.service}\`，有地址并开放 ${check.port} 端口`,
      ),
      found: address.fault,
    });
  const deployment = find(view, "Deployment", check.namespace, check.deployment);
  const fault = deployment
    ? endpointsFault(view, address.service, deployment)
    : say(`there is no Deployment \`${check.deployment}\``, `没有 Deployment \`${check.deployment}\``);
  if (fault || !deployment)
    return [
      passed(existsLabel),
      failed(labelOf(check), {
        expected: say(
          "its endpoints are the ready Pods, all of them and no others",
          "其端点正好是所有已就绪的 Pod，不多也不少",
        ),
        found: fault ?? say("", ""),
      }),
    ];
  const url = `http://${address.host}:${check.port}${check.path}`;
  const answers = await prober.http(url, { times: SERVICE_QUESTIONS });
  return [passed(existsLabel), judgeServiceAnswers(check, answers, currentPods(view, deployment))];
}

async function askPods(
  { view, prober }: ReachableCluster,
  where: { namespace: string; deployment: string },
  port: number,
  path: string,
) {
  const deployment = find(view, "Deployment", where.namespace, where.deployment);
  const pods = deployment ? currentPods(view, deployment).filter(isReady) : [];
  return await Promise.all(
    pods.map(async (pod) => {
      const [answer] = await prober.http(`http://${pod.status?.podIP}:${port}${path}`);
      return { pod, answer };
    }),
  );
}

/** Says why something can't be looked at, in both languages already. */
class Unreachable extends Error {
  readonly reason: Localized;
  constructor(reason: Localized) {
    super(reason.en);
    this.reason = reason;
  }
}

/** What does not answer says nothing of the learner's work while the VM is off. */
async function mustBeOn(machine: Machine): Promise<void> {
  const notOn = await whyNotOn(machine);
  if (notOn) throw new Unreachable(notOn);
}

async function whyNotOn(machine: Machine): Promise<Localized | undefined> {
  const power = await machine.inspect().then(
    ({ state }) => state.power,
    () => undefined,
  );
  if (power === "off") return say("the VM is off", "虚拟机已关机");
  return power === "starting" ? say("the VM is starting", "虚拟机正在启动") : undefined;
}

async function reasonFor(check: Check, error: unknown, world: World): Promise<Localized> {
  if (error instanceof Unreachable) return error.reason;
  const { message } = toLabError(error);
  const asksVm = isOfVm(check) || check.kind === "port_after_boot" || check.kind === "same_data";
  const machine = asksVm ? world.machine() : undefined;
  const notOn = machine && (await whyNotOn(machine));
  if (notOn) return notOn;
  return say(`could not look: ${message}`, `无法检查：${message}`);
}
