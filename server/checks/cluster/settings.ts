import type { V1Container, V1EnvVar } from "@kubernetes/client-node";
import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { failed, type Outcome, passed, say } from "../words.ts";
import { type ClusterState, find } from "./cluster-state.ts";

type Source = "ConfigMap" | "Secret";

/** Where a variable of a container comes from, as the kubelet would resolve it. */
export type Origin =
  | { from: Source; object: string; key: string; value: string | undefined }
  | { from: "template" }
  | { from: "elsewhere" }
  | { from: "nowhere" };

/** `env` wins over `envFrom`, and of several the last wins, as the kubelet has it. */
export function originOf(
  state: ClusterState,
  namespace: string,
  container: V1Container,
  variable: string,
): Origin {
  const direct = container.env?.findLast((one) => one.name === variable);
  if (direct) return directOrigin(state, namespace, direct);
  for (const from of (container.envFrom ?? []).toReversed()) {
    const key = variable.startsWith(from.prefix ?? "")
      ? variable.slice((from.prefix ?? "").length)
      : undefined;
    if (key === undefined) continue;
    for (const [kind, reference] of [
      ["Secret", from.secretRef],
      ["ConfigMap", from.configMapRef],
    ] as const) {
      const value =
        reference?.name === undefined ? undefined : valueIn(state, namespace, kind, reference.name, key);
      if (reference?.name !== undefined && value !== undefined)
        return { from: kind, object: reference.name, key, value };
    }
  }
  return { from: "nowhere" };
}

function directOrigin(state: ClusterState, namespace: string, variable: V1EnvVar): Origin {
  const { configMapKeyRef, secretKeyRef } = variable.valueFrom ?? {};
  for (const [kind, reference] of [
    ["ConfigMap", configMapKeyRef],
    ["Secret", secretKeyRef],
  ] as const)
    if (reference?.name !== undefined) {
      const { name, key } = reference;
      return { from: kind, object: name, key, value: valueIn(state, namespace, kind, name, key) };
    }
  return variable.valueFrom ? { from: "elsewhere" } : { from: "template" };
}

function valueIn(
  state: ClusterState,
  namespace: string,
  kind: Source,
  name: string,
  key: string,
): string | undefined {
  if (kind === "ConfigMap") return find(state, "ConfigMap", namespace, name)?.data?.[key];
  const encoded = find(state, "Secret", namespace, name)?.data?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString();
}

/** One condition per variable: it comes from the right kind of object, which has it. */
export function judgeSettings(check: CheckOf<"settings">, state: ClusterState): Outcome[] {
  const { namespace, deployment: name } = check;
  const deployment = find(state, "Deployment", namespace, name);
  const container = deployment?.spec?.template.spec?.containers[0];
  const wanted: [string, Source][] = [
    ...check.fromConfigMap.map((variable): [string, Source] => [variable, "ConfigMap"]),
    ...check.fromSecret.map((variable): [string, Source] => [variable, "Secret"]),
  ];
  return wanted.map(([variable, kind]) => {
    const label = say(`\`${variable}\` comes from a ${kind}`, `\`${variable}\` 来自 ${kind}`);
    const expected = say(
      `the container gets \`${variable}\` from a ${kind} that has it`,
      `容器从包含该键的 ${kind} 中取得 \`${variable}\``,
    );
    if (!container)
      return failed(label, {
        expected,
        found: say(`there is no Deployment \`${name}\``, `没有 Deployment \`${name}\``),
      });
    const origin = originOf(state, namespace, container, variable);
    if (origin.from === kind && origin.value !== undefined) return passed(label);
    return failed(label, { expected, found: wordsFor(origin, variable) });
  });
}

function wordsFor(origin: Origin, variable: string): Localized {
  switch (origin.from) {
    case "template":
      return say(
        `\`${variable}\` is written into the Deployment itself`,
        `\`${variable}\` 直接写在 Deployment 里`,
      );
    case "elsewhere":
      return say("it comes from the Pod's own fields", "它来自 Pod 自身的字段");
    case "nowhere":
      return say(
        `the container has no \`${variable}\`, or what should give it lacks that key`,
        `容器中没有 \`${variable}\`，或应提供它的对象缺少该键`,
      );
    default:
      return origin.value === undefined
        ? say(
            `${origin.from} \`${origin.object}\` has no key \`${origin.key}\``,
            `${origin.from} \`${origin.object}\` 没有键 \`${origin.key}\``,
          )
        : say(
            `it comes from the ${origin.from} \`${origin.object}\``,
            `它来自 ${origin.from} \`${origin.object}\``,
          );
  }
}

/** Values the settings should have in the application's answer, for those that are set at all. */
export function setValue(
  check: CheckOf<"settings">,
  state: ClusterState,
  variable: string,
): string | undefined {
  const container = find(state, "Deployment", check.namespace, check.deployment)?.spec?.template.spec
    ?.containers[0];
  if (!container) return undefined;
  const origin = originOf(state, check.namespace, container, variable);
  return "value" in origin ? origin.value : undefined;
}
