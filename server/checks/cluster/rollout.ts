import type { V1Deployment, V1Pod } from "@kubernetes/client-node";
import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { count, failed, firstLine, listed, type Outcome, passed, say } from "../words.ts";
import {
  type ClusterState,
  currentPods,
  currentReplicaSet,
  find,
  isOwnedBy,
  isReady,
  isTerminating,
  nameOf,
} from "./cluster-state.ts";

/** A container that ended so shortly ago may end again: Ready for a moment is not up. */
const STABLE_AFTER_RESTART_MS = 10_000;

/** All replicas of the current version are ready, with that image, and none of an older one is left. */
export function judgeRollout(check: CheckOf<"rollout">, state: ClusterState, now: Date): Outcome[] {
  const { namespace, deployment: name } = check;
  const label = labelOf(check);
  const deployment = find(state, "Deployment", namespace, name);
  if (!deployment || isTerminating(deployment))
    return [
      failed(label, {
        expected: say(
          `a Deployment \`${name}\` in namespace \`${namespace}\``,
          `命名空间 \`${namespace}\` 中有 Deployment \`${name}\``,
        ),
        found: othersOf(state, namespace),
      }),
    ];
  const outcomes: Outcome[] = [];
  if (check.image !== undefined) outcomes.push(judgeImage(check.image, deployment));
  const wanted = deployment.spec?.replicas ?? 1;
  if (check.replicas > 1) outcomes.push(judgeReplicas(check.replicas, wanted));
  if (check.readinessProbe) outcomes.push(judgeReadinessProbe(deployment));
  const fault = rolloutFault(state, deployment, wanted, now);
  const expected = say(
    "every Pod of the current version is ready, and none of an older one is left",
    "当前版本的每个 Pod 都已就绪，且没有旧版本的 Pod",
  );
  outcomes.push(fault ? failed(label, { expected, ...fault }) : passed(label));
  return outcomes;
}

function othersOf(state: ClusterState, namespace: string): Localized {
  const others = state.list("Deployment", namespace).map(nameOf);
  if (others.length > 0) {
    const names = listed(others);
    return say(`in that namespace there is ${names.en}`, `该命名空间中有 ${names.zh}`);
  }
  const pods = state.list("Pod", namespace).filter((pod) => !pod.metadata?.ownerReferences?.length);
  if (pods.length === 0)
    return say("there is no Deployment in that namespace", "该命名空间中没有 Deployment");
  const names = listed(pods.map(nameOf));
  return say(
    `no Deployment there, but a bare Pod, ${names.en}: nobody replaces it when it is gone`,
    `那里没有 Deployment，只有独立的 Pod ${names.zh}：它消失后没有谁会替换它`,
  );
}

function judgeImage(image: string, deployment: V1Deployment): Outcome {
  const label = say(`it runs the image \`${image}\``, `运行镜像 \`${image}\``);
  const images = (deployment.spec?.template.spec?.containers ?? []).map((container) => container.image ?? "");
  if (images.some((one) => fullName(one) === fullName(image))) return passed(label);
  const names = listed(images);
  return failed(label, {
    expected: say(`a container with the image \`${image}\``, `有一个容器使用镜像 \`${image}\``),
    found: say(`the image is ${names.en}`, `镜像是 ${names.zh}`),
  });
}

/** `inventory-api:1.0` and `docker.io/library/inventory-api:1.0` are one image. */
function fullName(image: string): string {
  const [first = "", ...rest] = image.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const path = hasRegistry ? image : `docker.io/${rest.length > 0 ? image : `library/${image}`}`;
  return /:[^/]+$/.test(path) ? path : `${path}:latest`;
}

function judgeReplicas(least: number, wanted: number): Outcome {
  const label = say(`it has at least ${least} replicas`, `至少有 ${least} 个副本`);
  if (wanted >= least) return passed(label);
  return failed(label, {
    expected: say(`${least} replicas or more are asked for`, `期望副本数不少于 ${least}`),
    found: say(`${wanted} asked for`, `期望副本数为 ${wanted}`),
  });
}

function judgeReadinessProbe(deployment: V1Deployment): Outcome {
  const label = say("its containers are asked whether they are ready", "其容器会被询问是否就绪");
  const silent = (deployment.spec?.template.spec?.containers ?? []).filter((one) => !one.readinessProbe);
  if (silent.length === 0) return passed(label);
  const names = listed(silent.map((one) => one.name));
  return failed(label, {
    expected: say(
      "a Pod gets requests only once a probe has found it ready",
      "只有探针确认就绪之后，Pod 才会收到请求",
    ),
    found: say(
      `nothing asks the container ${names.en}: started is taken for ready`,
      `没有任何东西询问容器 ${names.zh}：启动即被当作就绪`,
    ),
  });
}

type Fault = { found: Localized; mayChangeSoon?: boolean };

/** Why the rollout is not over; `undefined` when it is. */
export function rolloutFault(
  state: ClusterState,
  deployment: V1Deployment,
  wanted: number,
  now: Date,
): Fault | undefined {
  if (wanted === 0) return { found: say("it is scaled to 0: nothing runs", "已缩容到 0：没有任何实例运行") };
  if ((deployment.status?.observedGeneration ?? 0) < (deployment.metadata?.generation ?? 0))
    return { found: say("its last change has not been taken up yet", "最近一次修改尚未被控制器处理") };
  if (deployment.spec?.paused) return { found: say("its rollout is paused", "其滚动更新已被暂停") };
  const pods = currentPods(state, deployment);
  const ready = pods.filter(isReady);
  const unready = pods.find((pod) => !isReady(pod));
  if (ready.length < wanted) {
    const why = unready ? podFault(unready) : refusedPods(state, deployment);
    return {
      found: say(
        `${ready.length} of ${wanted} Pods ready${why ? `; ${why.en}` : ""}`,
        `${wanted} 个 Pod 中有 ${ready.length} 个就绪${why ? `；${why.zh}` : ""}`,
      ),
    };
  }
  const currentUid = currentReplicaSet(state, deployment)?.metadata?.uid;
  const olderSets = state
    .list("ReplicaSet", deployment.metadata?.namespace)
    .filter((set) => isOwnedBy(set, deployment.metadata?.uid) && set.metadata?.uid !== currentUid);
  const older = state
    .list("Pod", deployment.metadata?.namespace)
    .filter((pod) => !isTerminating(pod) && olderSets.some((set) => isOwnedBy(pod, set.metadata?.uid)));
  if (older.length > 0)
    return {
      found: say(
        `${count(older.length, "Pod")} of an older version still ${older.length === 1 ? "runs" : "run"}`,
        `仍有 ${older.length} 个旧版本的 Pod 在运行`,
      ),
    };
  const restarted = ready.find((pod) => restartedWithin(pod, now, STABLE_AFTER_RESTART_MS));
  if (restarted)
    return {
      found: say(
        `Pod \`${nameOf(restarted)}\` was restarted a moment ago; whether it stays up is not known yet`,
        `Pod \`${nameOf(restarted)}\` 刚刚重启过，还不能确定能否保持运行`,
      ),
      mayChangeSoon: true,
    };
  return undefined;
}

function restartedWithin(pod: V1Pod, now: Date, ms: number): boolean {
  return (pod.status?.containerStatuses ?? []).some(({ lastState }) => {
    const ended = lastState?.terminated?.finishedAt;
    return ended !== undefined && now.getTime() - new Date(ended).getTime() < ms;
  });
}

/** What keeps one Pod from being ready, in the words `kubectl get pods` uses. */
export function podFault(pod: V1Pod): Localized {
  const name = `Pod \`${nameOf(pod)}\``;
  const statuses = pod.status?.containerStatuses ?? [];
  const waiting = statuses.find((status) => status.state?.waiting)?.state?.waiting;
  const ended = statuses.find((status) => status.lastState?.terminated)?.lastState?.terminated;
  if (waiting?.reason === "CrashLoopBackOff" && ended)
    return say(
      `${name} is \`CrashLoopBackOff\`: its container ended with ${ended.exitCode}`,
      `${name} 处于 \`CrashLoopBackOff\`：容器退出码为 ${ended.exitCode}`,
    );
  if (waiting && waiting.reason !== "ContainerCreating" && waiting.reason !== "PodInitializing") {
    const message = waiting.message ? `: ${firstLine(waiting.message)}` : "";
    return say(`${name} is \`${waiting.reason}\`${message}`, `${name} 处于 \`${waiting.reason}\`${message}`);
  }
  const unscheduled = (pod.status?.conditions ?? []).find(
    ({ type, status }) => type === "PodScheduled" && status === "False",
  );
  if (unscheduled)
    return say(
      `${name} finds no node: ${firstLine(unscheduled.message ?? "")}`,
      `${name} 找不到可用节点：${firstLine(unscheduled.message ?? "")}`,
    );
  if (statuses.some((status) => status.state?.running && !status.ready))
    return say(`${name} runs, but is not ready`, `${name} 在运行，但未就绪`);
  return say(`${name} is starting`, `${name} 正在启动`);
}

/** Pods that are never made, e.g. because Pod Security or a quota refuses them. */
function refusedPods(state: ClusterState, deployment: V1Deployment): Localized | undefined {
  const conditions = [
    ...(currentReplicaSet(state, deployment)?.status?.conditions ?? []),
    ...(deployment.status?.conditions ?? []),
  ];
  const refusal = conditions.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
  if (!refusal?.message) return undefined;
  return say(
    `they are refused: ${firstLine(refusal.message, 240)}`,
    `创建被拒绝：${firstLine(refusal.message, 240)}`,
  );
}
