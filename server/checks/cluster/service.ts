import type { V1Deployment, V1Endpoint, V1Pod, V1Service } from "@kubernetes/client-node";
import type { Localized } from "../../labs/lab.ts";
import { count, listed, say } from "../words.ts";
import { type ClusterState, currentPods, find, isReady, isTerminating, nameOf } from "./cluster-state.ts";

export interface ServiceTarget {
  namespace: string;
  service: string;
  port: number;
}

/** Address at which the Service answers in the pod network, or why it has none. */
export function serviceAddress(
  state: ClusterState,
  target: ServiceTarget,
): { host: string; service: V1Service } | { fault: Localized } {
  const { namespace, service: name, port } = target;
  const service = find(state, "Service", namespace, name);
  if (!service || isTerminating(service)) {
    const others = state.list("Service", namespace).map(nameOf);
    if (others.length === 0)
      return {
        fault: say(
          `there is no Service in namespace \`${namespace}\``,
          `命名空间 \`${namespace}\` 中没有 Service`,
        ),
      };
    const names = listed(others);
    return { fault: say(`in that namespace there is ${names.en}`, `该命名空间中有 ${names.zh}`) };
  }
  const host = service.spec?.clusterIP;
  if (!host || host === "None")
    return {
      fault: say(
        "it is headless: it has no address of its own",
        "它是无头（headless）Service：没有自己的地址",
      ),
    };
  const ports = service.spec?.ports ?? [];
  if (!ports.some((one) => one.port === port && (one.protocol ?? "TCP") === "TCP")) {
    const shown = ports.map((one) => `${one.port}/${one.protocol ?? "TCP"}`);
    const names = listed(shown);
    return { fault: say(`it listens on ${names.en}`, `它监听 ${names.zh}`) };
  }
  return { host, service };
}

/** Why the Service does not lead to the Deployment's ready Pods, all of them and no others; `undefined` when it does. */
export function endpointsFault(
  state: ClusterState,
  service: V1Service,
  deployment: V1Deployment,
): Localized | undefined {
  const pods = currentPods(state, deployment);
  const ready = pods.filter(isReady);
  const endpoints = endpointsOf(state, service);
  const usable = endpoints.filter((endpoint) => endpoint.conditions?.ready !== false);
  if (usable.length === 0) return noEndpoints(service, pods, endpoints.length);
  const missing = ready.filter(
    (pod) => !usable.some((endpoint) => endpoint.targetRef?.uid === pod.metadata?.uid),
  );
  if (missing.length > 0) {
    const names = listed(missing.map(nameOf));
    return say(`it leaves out ready Pods: ${names.en}`, `它漏掉了已就绪的 Pod：${names.zh}`);
  }
  // A Pod on its way out may still be in the list for a moment; one of something else may not.
  const namespacePods = state.list("Pod", deployment.metadata?.namespace);
  const foreign = usable.filter(({ targetRef }) => {
    const pod = namespacePods.find((one) => one.metadata?.uid === targetRef?.uid);
    return !pod || (!isTerminating(pod) && !pods.includes(pod));
  });
  if (foreign.length > 0) {
    const names = listed(foreign.map(({ targetRef, addresses }) => targetRef?.name ?? addresses[0] ?? "?"));
    return say(`it also leads elsewhere: ${names.en}`, `它还指向别处：${names.zh}`);
  }
  return undefined;
}

function endpointsOf(state: ClusterState, service: V1Service): V1Endpoint[] {
  return state
    .list("EndpointSlice", service.metadata?.namespace)
    .filter((slice) => slice.metadata?.labels?.["kubernetes.io/service-name"] === nameOf(service))
    .flatMap((slice) => ((slice.ports?.length ?? 0) > 0 ? (slice.endpoints ?? []) : []));
}

function noEndpoints(service: V1Service, pods: V1Pod[], unready: number): Localized {
  const selector = Object.entries(service.spec?.selector ?? {});
  if (selector.length === 0)
    return say("it selects nothing: it has no selector", "它没有选择器，不选择任何 Pod");
  const shown = selector.map(([key, value]) => `${key}=${value}`).join(",");
  if (unready > 0)
    return say(
      `\`${shown}\` selects ${count(unready, "Pod")}, none of them ready`,
      `\`${shown}\` 选中 ${unready} 个 Pod，但都未就绪`,
    );
  const matching = pods.filter((pod) =>
    selector.every(([key, value]) => pod.metadata?.labels?.[key] === value),
  );
  if (matching.length > 0) return say("it has no endpoints yet", "它还没有端点（endpoints）");
  return say(`its selector \`${shown}\` matches no Pod`, `其选择器 \`${shown}\` 没有匹配到任何 Pod`);
}
