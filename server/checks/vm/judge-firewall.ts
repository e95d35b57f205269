import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { LabError } from "../../../sandboxes/errors.ts";
import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { failed, firstLine, type Outcome, passed, say } from "../words.ts";
import { readProperties } from "./unit.ts";
import type { VmObserver } from "./vm-observer.ts";

const SCRIPT = readFileSync(fileURLToPath(new URL("firewall-after-boot.py", import.meta.url)), "utf8");

const Trial = z.union([
  z.object({ ports: z.record(z.string(), z.string()) }),
  z.object({ refused: z.string() }),
]);
export type FirewallTrial = z.infer<typeof Trial> & { unitState: string };

/** Loads the firewall's file beside the running one and knocks as `neighbour` would. */
export async function observeFirewallAfterBoot(
  vm: VmObserver,
  check: CheckOf<"port_after_boot">,
  neighbour: string,
): Promise<FirewallTrial> {
  const { config, port, control, shut, unit } = check;
  const ports = [control, port, shut].map(String);
  const [trial, shown] = await Promise.all([
    vm.observe(["/usr/bin/python3", "-I", "-", config, neighbour, ...ports], SCRIPT),
    vm.observe(["/usr/bin/systemctl", "show", "--property=UnitFileState", "--", unit]),
  ]);
  const unitState = readProperties(shown.stdout).UnitFileState ?? "";
  if (trial.exitCode !== 0)
    throw new LabError("check_errored", `the firewall could not be tried out: ${lastLine(trial.stdout)}`);
  return { ...Trial.parse(JSON.parse(trial.stdout)), unitState };
}

export function judgeFirewallAfterBoot(check: CheckOf<"port_after_boot">, trial: FirewallTrial): Outcome {
  const { port, control, shut, config, unit } = check;
  const label = labelOf(check);
  const expected = say(
    `what \`${config}\` loads at boot lets port ${port} in, port ${control} as before, and still not everything`,
    `开机时 \`${config}\` 加载的规则放行 ${port} 端口，${control} 端口照旧，且并非全部放行`,
  );
  const fail = (found: Localized, mayChangeSoon = false) => failed(label, { expected, found, mayChangeSoon });
  if ("refused" in trial)
    return fail(
      say(
        `\`nft -f ${config}\` refuses the file: ${firstLine(trial.refused)}`,
        `\`nft -f ${config}\` 拒绝该文件：${firstLine(trial.refused)}`,
      ),
    );
  if (trial.unitState !== "enabled")
    return fail(
      say(
        `\`${unit}\` is \`${trial.unitState}\`, so nothing loads the file at boot`,
        `\`${unit}\` 为 \`${trial.unitState}\`，开机时不会加载该文件`,
      ),
    );
  const state = (one: number) => trial.ports[String(one)];
  if (state(control) !== "open")
    return fail(
      say(
        `the file would shut port ${control}: you would be locked out`,
        `按该文件，${control} 端口会被关闭：你将无法再登录`,
      ),
      // Or the host is too slow to tell.
      true,
    );
  if (state(shut) === "open")
    return fail(
      say(
        `the file lets in port ${shut} too, which nobody asked for: it is no firewall any more`,
        `该文件连没有要求的 ${shut} 端口也放行：已起不到防火墙的作用`,
      ),
    );
  if (state(port) !== "open")
    return fail(
      say(
        `with the rules in that file, port ${port} would be shut again after a reboot`,
        `按该文件中的规则，重启后 ${port} 端口会再次关闭`,
      ),
    );
  return passed(label);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
