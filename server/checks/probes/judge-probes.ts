import type { V1Pod } from "@kubernetes/client-node";
import { z } from "zod";
import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { nameOf } from "../cluster/cluster-state.ts";
import { labelOf } from "../labels.ts";
import { failed, firstLine, listed, type Outcome, passed, say } from "../words.ts";
import type { ProbeAnswer } from "./prober.ts";

/** What a prober's knock at a port of the VM means, with one at a port that must answer beside it. */
export function judgePortReachable(
  check: CheckOf<"port_reachable">,
  state: string,
  control: string,
): Outcome {
  const label = labelOf(check);
  if (state === "open") return passed(label);
  const expected = say(
    `a connection from a Pod to \`machine:${check.port}\` is accepted`,
    `从 Pod 到 \`machine:${check.port}\` 的连接被接受`,
  );
  // Of a firewall's change there is an event; of a server that comes back there is none.
  const mayChangeSoon = state !== "silent" || control !== "open";
  const fail = (found: Localized) => failed(label, { expected, found, mayChangeSoon });
  if (control !== "open")
    return fail(
      say(
        `port ${check.control} does not answer a Pod either: the VM is out of reach, or its firewall shuts everything`,
        `${check.control} 端口同样不应答：虚拟机不可达，或防火墙封锁了全部端口`,
      ),
    );
  const words: Record<string, Localized> = {
    silent: say("packets to it vanish without an answer", "发往该端口的数据包没有任何回应（被丢弃）"),
    refused: say(
      "it is refused: nothing listens there, or a rule rejects it",
      "连接被拒绝：没有进程监听，或有规则拒绝（reject）",
    ),
  };
  return fail(words[state] ?? say(`the attempt ends with: ${state}`, `连接尝试的结果：${state}`));
}

const Answer = z.record(z.string(), z.unknown());

/** The JSON object of an answer; `undefined` where it is none. */
export function jsonOf(answer: ProbeAnswer): Record<string, unknown> | undefined {
  try {
    return Answer.safeParse(JSON.parse(answer.body ?? "")).data;
  } catch {
    return undefined;
  }
}

/** Why an answer is not a good one; `undefined` when it is. The application's own `error` is the best witness. */
export function answerFault(answer: ProbeAnswer | undefined): Localized | undefined {
  if (!answer) return say("there was no answer", "没有应答");
  if (answer.error !== undefined)
    return say(`the request ends with: ${answer.error}`, `请求结果：${answer.error}`);
  if (answer.status === 200) return undefined;
  const said = jsonOf(answer)?.error;
  const words = typeof said === "string" ? `: ${firstLine(said)}` : "";
  return say(`it answers with status ${answer.status}${words}`, `返回状态码 ${answer.status}${words}`);
}

/** Each Pod says its own name: it is the application that answers, and on that port. */
export function judgePodAnswers(
  check: CheckOf<"pod_http">,
  asked: readonly { pod: V1Pod; answer: ProbeAnswer | undefined }[],
): Outcome {
  const label = labelOf(check);
  const expected = say(
    `each ready Pod answers \`${check.path}\` on port ${check.port} with its own name`,
    `每个已就绪的 Pod 在 ${check.port} 端口的 \`${check.path}\` 上以自己的名字应答`,
  );
  if (asked.length === 0)
    return failed(label, { expected, found: say("no Pod is ready", "没有已就绪的 Pod") });
  for (const { pod, answer } of asked) {
    const who = answer && jsonOf(answer)?.[check.whoField];
    const fault =
      answerFault(answer) ??
      (who === nameOf(pod) ? undefined : say("the answer does not name the Pod", "应答中没有该 Pod 的名字"));
    if (fault)
      return failed(label, {
        expected,
        found: say(`Pod \`${nameOf(pod)}\`: ${fault.en}`, `Pod \`${nameOf(pod)}\`：${fault.zh}`),
        mayChangeSoon: true,
      });
  }
  return passed(label);
}

/** Every answer through the Service comes from one of the Pods it should lead to. */
export function judgeServiceAnswers(
  check: CheckOf<"service">,
  answers: readonly ProbeAnswer[],
  pods: readonly V1Pod[],
): Outcome {
  const label = labelOf(check);
  const expected = say(
    `a request to \`${check.service}:${check.port}\` is answered by one of the Pods`,
    `对 \`${check.service}:${check.port}\` 的请求由其中一个 Pod 应答`,
  );
  const names = pods.map(nameOf);
  for (const answer of answers) {
    const who = jsonOf(answer)?.[check.whoField];
    const fault =
      answerFault(answer) ??
      (typeof who === "string" && names.includes(who)
        ? undefined
        : say(
            `\`${String(who)}\` answers, which is none of them`,
            `应答的是 \`${String(who)}\`，不是其中任何一个`,
          ));
    if (fault) return failed(label, { expected, found: fault, mayChangeSoon: true });
  }
  return passed(label);
}

/** The running application has the values that the objects have now: it reads them when it starts, not later. */
export function judgeShown(
  shown: NonNullable<CheckOf<"settings">["shown"]>,
  answers: readonly { pod: V1Pod; answer: ProbeAnswer | undefined }[],
  setValue: (variable: string) => string | undefined,
): Outcome {
  const label = say("the running application has these values", "运行中的应用使用了这些值");
  const variables = listed(Object.keys(shown.fields));
  const expected = say(
    `\`${shown.path}\` of every Pod shows what ${variables.en} is set to`,
    `每个 Pod 的 \`${shown.path}\` 显示 ${variables.zh} 的设定值`,
  );
  const fail = (found: Localized) => failed(label, { expected, found, mayChangeSoon: true });
  if (answers.length === 0) return fail(say("no Pod is ready", "没有已就绪的 Pod"));
  for (const { pod, answer } of answers) {
    const fault = answerFault(answer);
    const json = answer && jsonOf(answer);
    if (fault || !json) return fail(fault ?? say("the answer is no JSON", "应答不是 JSON"));
    for (const [variable, field] of Object.entries(shown.fields)) {
      const value = setValue(variable);
      if (value !== undefined && json[field] === value) continue;
      return fail(
        say(
          `Pod \`${nameOf(pod)}\` shows \`${field}\` as \`${String(json[field])}\`, which is not the value set`,
          `Pod \`${nameOf(pod)}\` 的 \`${field}\` 为 \`${String(json[field])}\`，不是设定的值`,
        ),
      );
    }
  }
  return passed(label);
}
