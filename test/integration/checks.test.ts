import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { Check, CheckOf } from "../../server/checks/check.ts";
import { evaluateTask, type World } from "../../server/checks/evaluate.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import {
  type FirewallTrial,
  judgeFirewallAfterBoot,
  observeFirewallAfterBoot,
} from "../../server/checks/vm/judge-firewall.ts";
import { createVmObserver } from "../../server/checks/vm/vm-observer.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import type { Lab } from "../../server/labs/lab.ts";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { wordsOf } from "../labs/prove-lab.ts";
import { openRealStack, type RealStack } from "../support/real-stack.ts";

/** A verdict on a busy host, with the VM's boot before it where there is one. */
const VERDICT_MS = 240_000;

let real: RealStack;
let sandbox: Sandbox;
let lab: Lab;

beforeAll(async () => {
  const first = (await loadLabs("labs")).find((one) => one.id === "first-crossing");
  if (!first) throw new Error("the lab is not there");
  lab = first;
  real = await openRealStack();
  sandbox = await real.claimReady();
});
afterAll(async () => {
  await real?.[Symbol.asyncDispose]();
});

async function inVm(commands: string): Promise<string> {
  const place = sandbox.machine()?.place;
  if (!place) throw new Error("no VM");
  const argv = ["/bin/bash", "-ec", commands];
  const { exitCode, stdout, stderr } = await place.exec(argv, { user: "root", timeoutMs: 120_000 });
  if (exitCode !== 0) throw new Error(`${commands}: ${stderr}`);
  return stdout;
}

const vmWorld = (): World => ({
  vm: createVmObserver(() => sandbox.machine()?.place),
  machine: () => sandbox.machine(),
  cluster: () => undefined,
  survival: () => ({ kind: "none" }),
});
const look = async (...checks: Check[]) => (await evaluateTask({ id: "task", checks }, vmWorld())).verdict;

describe("the firewall's file, tried out in the VM", () => {
  const check: CheckOf<"port_after_boot"> = {
    kind: "port_after_boot",
    port: 5432,
    control: 22,
    shut: 9999,
    config: "/etc/nftables.conf",
    unit: "nftables.service",
  };
  const NODE = "10.88.0.3";
  const TRIED = "/etc/nftables.d/tried.nft";

  /** What can't be looked at is looked at again, as the product does: a VM that is still booting takes its time. */
  async function untilLooked(): Promise<FirewallTrial> {
    const deadline = performance.now() + VERDICT_MS;
    for (;;) {
      try {
        return await observeFirewallAfterBoot(
          createVmObserver(() => sandbox.machine()?.place),
          check,
          NODE,
        );
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
  }

  async function tried(rule: string): Promise<string> {
    await inVm(`printf '%s\\n' '${rule}' >${TRIED}`);
    try {
      const outcome = judgeFirewallAfterBoot(check, await untilLooked());
      return outcome.state === "failed" ? outcome.found.en : outcome.state;
    } finally {
      await inVm(`rm ${TRIED}`);
    }
  }

  test.each([
    ["tcp dport 5432 accept", "passed"],
    ["tcp dport { 5000-6000 } counter accept", "passed"],
    ["ip saddr 10.88.0.0/16 tcp dport postgresql accept", "passed"],
    ['iifname "eth0" meta l4proto tcp th dport 5432 accept', "passed"],
    ["ip saddr 192.168.0.0/16 tcp dport 5432 accept", "shut again after a reboot"],
    ["udp dport 5432 accept", "shut again after a reboot"],
    ["accept", "no firewall any more"],
    ["tcp dport 5432 acept", "refuses the file"],
  ])("%s", async (rule, words) => {
    expect(await tried(rule)).toContain(words);
  });

  test("the running rules are left alone", async () => {
    const before = await inVm("nft list ruleset");
    await tried("tcp dport 5432 accept");
    expect(await inVm("nft list ruleset")).toBe(before);
    expect(await inVm("ip -o link")).not.toContain("veth");
  });
});

test("nothing that a learner may put in the way is run", async () => {
  const fake = "#!/bin/sh\necho ActiveState=active; touch /tmp/run-by-the-check\n";
  await inVm(
    `for name in systemctl findmnt lvs cat timeout; do printf '${fake}' >/usr/local/bin/$name; chmod +x /usr/local/bin/$name; done
     echo 'touch /tmp/run-by-the-check' >>/root/.bashrc
     echo 'alias systemctl=true' >>/root/.profile`,
  );
  try {
    const verdict = await look({ kind: "unit_active", unit: "not-there.service", forMs: 0 });
    expect(wordsOf(verdict)).toBe("systemd knows no unit `not-there.service`");
    expect((await look({ kind: "unit_active", unit: "ssh.service", forMs: 0 })).state).toBe("passed");
  } finally {
    await inVm(
      "rm -f /usr/local/bin/{systemctl,findmnt,lvs,cat,timeout}; sed -i '/run-by-the-check/d' /root/.bashrc",
    );
  }
});

test("a VM that is off is not the learner's failure, and is watched again when it is back", async () => {
  const verdicts: TaskVerdict[] = [];
  const latest = (taskId: string) => verdicts.findLast((one) => one.taskId === taskId);
  const until = async (what: string, isThere: () => boolean) => {
    const deadline = performance.now() + VERDICT_MS;
    while (!isThere()) {
      if (performance.now() > deadline) throw new Error(`not within ${VERDICT_MS / 1000} s: ${what}`);
      await delay(100);
    }
  };
  const part: Lab = {
    ...lab,
    tasks: lab.tasks.filter(({ id }) => id === "grow-the-disk" || id === "run-the-deployment"),
  };
  await using watcher = watchTasks({
    lab: part,
    sandbox,
    passed: new Set(),
    sweepMs: null,
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  await watcher.listening;
  await until("the first verdicts", () => verdicts.length >= 2);

  await real.stack.service.power(sandbox.id, "plug");
  expect(wordsOf(await watcher.evaluate("grow-the-disk"))).toBe("could not check: the VM is off");
  await real.stack.service.power(sandbox.id, "on");
  await until(
    "a verdict after the VM's boot, by its agent alone",
    () => latest("grow-the-disk")?.state === "failed",
  );

  const node = `fb-${sandbox.id}-control-plane`;
  await real.stack.engine.stopContainer(node, 10_000);
  const gone = await watcher.evaluate("run-the-deployment");
  expect(gone.state).toBe("errored");
  await real.stack.service.repair(sandbox.id);
  await until("a verdict after the node's restart", () => latest("run-the-deployment")?.state === "failed");
});
