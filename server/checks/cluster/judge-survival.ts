import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { count, errored, failed, type Outcome, passed, say } from "../words.ts";
import type { SurvivalResult } from "./survival.ts";

/** What came of deleting a Pod, in words. */
export function judgeSurvival(check: CheckOf<"survives_deletion">, result: SurvivalResult): Outcome {
  const { deployment, service, replicas } = check;
  const label = labelOf(check);
  const expected = say(
    `a ready Pod of \`${deployment}\` is deleted while there are ${replicas} or more, and every request to \`${service}\` is answered until all are back`,
    `在 \`${deployment}\` 有不少于 ${replicas} 个副本时删除一个已就绪的 Pod，直到副本全部恢复，对 \`${service}\` 的每个请求都得到应答`,
  );
  const fail = (found: Localized, hint?: Localized) =>
    failed(label, { expected, found, ...(hint ? { hint } : {}) });
  switch (result.kind) {
    case "survived":
      return passed(label);
    case "none":
      return fail(
        say(
          `no ready Pod has been deleted since there were ${replicas}`,
          `自副本数达到 ${replicas} 以来，还没有已就绪的 Pod 被删除`,
        ),
      );
    case "too-few":
      return fail(
        say(
          `Pod \`${result.pod}\` was deleted while the Deployment had ${count(result.replicas, "replica")} only`,
          `删除 Pod \`${result.pod}\` 时 Deployment 只有 ${result.replicas} 个副本`,
        ),
      );
    case "unwatched":
      return fail(
        say(
          `Pod \`${result.pod}\` was deleted before requests were being sent; they are now, so delete another one`,
          `Pod \`${result.pod}\` 在开始发送请求之前就被删除了；现在已在发送，请再删除一个`,
        ),
      );
    case "running":
      return fail(
        say(
          `Pod \`${result.pod}\` is being replaced; requests are sent all the while`,
          `Pod \`${result.pod}\` 正在被替换；期间一直在发送请求`,
        ),
      );
    case "unfair":
      return errored(
        label,
        say(
          "the host was too slow to tell an outage from its own load; delete another Pod",
          "主机过慢，无法区分服务中断与自身负载；请再删除一个 Pod",
        ),
      );
    case "stranger":
      return fail(
        say(
          `an answer came from \`${result.who}\`, which is none of its Pods`,
          `有应答来自 \`${result.who}\`，它不是该 Deployment 的 Pod`,
        ),
      );
    case "failed": {
      const first = result.failures[0] ?? "";
      return fail(
        say(
          `${result.failures.length} of ${result.asked} requests failed while Pod \`${result.pod}\` was replaced; the first: ${first}`,
          `替换 Pod \`${result.pod}\` 期间，${result.asked} 个请求中有 ${result.failures.length} 个失败；第一个：${first}`,
        ),
        say(
          "who sends requests to a Pod that does not listen yet, or no longer?",
          "是谁把请求发给了还没开始监听、或已不再监听的 Pod？",
        ),
      );
    }
  }
}
