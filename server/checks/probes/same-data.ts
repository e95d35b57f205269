import { randomBytes } from "node:crypto";
import { LabError } from "../../../sandboxes/errors.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import type { VmObserver } from "../vm/vm-observer.ts";
import { failed, firstLine, type Outcome, passed, say } from "../words.ts";
import { answerFault } from "./judge-probes.ts";
import type { Prober } from "./prober.ts";

/**
 * Writes a row on the VM that nobody can know beforehand and looks for it in the Service's answer: two empty databases
 * are alike too, and so is a copy.
 */
export async function checkSameData(
  check: CheckOf<"same_data">,
  host: string,
  deps: { prober: Prober; vm: VmObserver; afterwards(work: Promise<void>): void },
): Promise<Outcome> {
  const label = labelOf(check);
  const url = `http://${host}:${check.servicePort}${check.path}`;
  const expected = say(
    `\`${check.path}\` of \`${check.service}\` shows a row as soon as it is written on the VM`,
    `在虚拟机上写入一行后，\`${check.service}\` 的 \`${check.path}\` 立即能看到它`,
  );
  const [first] = await deps.prober.http(url);
  const fault = answerFault(first);
  if (fault) return failed(label, { expected, found: fault, mayChangeSoon: true });

  const nonce = `CHECK-${randomBytes(5).toString("hex")}`;
  await runIn(deps.vm, check.writeNonce, nonce);
  try {
    const [answer] = await deps.prober.http(url);
    if (answer?.body?.includes(nonce)) return passed(label);
    return failed(label, {
      expected,
      found: say(
        "it answers, but from other data: a row just written on the VM is not in it",
        "它有应答，但数据来自别处：刚写入虚拟机的一行不在其中",
      ),
      mayChangeSoon: true,
    });
  } finally {
    // Nobody looks for this row again.
    deps.afterwards(runIn(deps.vm, check.removeNonce, nonce));
  }
}

async function runIn(vm: VmObserver, script: string, nonce: string): Promise<void> {
  const { exitCode, stdout } = await vm.observe(["/bin/sh", "-eu", "-s", nonce], script);
  if (exitCode !== 0)
    throw new LabError("check_errored", `the VM's database did not take a row: ${firstLine(stdout)}`);
}
