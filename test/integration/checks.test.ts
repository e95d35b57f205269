import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Machine, MachineSpec } from "../../sandboxes/machine/machine.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import type { Check, CheckOf } from "../../server/checks/check.ts";
import { evaluateTask, type ReachableCluster, type World } from "../../server/checks/evaluate.ts";
import {
  type FirewallTrial,
  judgeFirewallAfterBoot,
  observeFirewallAfterBoot,
} from "../../server/checks/vm/judge-firewall.ts";
import { createVmObserver } from "../../server/checks/vm/vm-observer.ts";
import { wordsOf } from "../labs/prove-lab.ts";
import { copiedMachine } from "../support/shared-template.ts";

/** A verdict on a busy host, with the VM's boot before it where there is one. */
const VERDICT_MS = 240_000;

const engine = new DockerEngine();
let spec: MachineSpec | undefined;
let machine: Machine;

beforeAll(async () => {
  const copied = await copiedMachine(engine);
  spec = copied.spec;
  const driver = new QemuDriver({ engine, privateKey: copied.privateKey });
  machine = await driver.create(spec, () => {}, AbortSignal.timeout(300_000));
});
afterAll(async () => {
  await machine?.destroy();
  if (spec) await engine.removeNetwork(spec.network);
  await engine[Symbol.asyncDispose]();
});

async function inVm(commands: string): Promise<string> {
  const argv = ["/bin/bash", "-ec", commands];
  const { exitCode, stdout, stderr } = await machine.place.exec(argv, { user: "root", timeoutMs: 120_000 });
  if (exitCode !== 0) throw new Error(`${commands}: ${stderr}`);
  return stdout;
}

const vmWorld = (): World => ({
  vm: createVmObserver(() => machine.place),
  machine: () => machine,
  cluster: () => undefined,
  survival: () => ({ kind: "none" }),
  afterwards: () => {},
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
        const observer = createVmObserver(() => machine.place);
        return await observeFirewallAfterBoot(observer, check, NODE);
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

test("a VM that is off is not the learner's failure", async () => {
  await machine.stop(0, AbortSignal.timeout(60_000));
  // What asks from Pods hears nothing of it, as of a firewall that shuts everything.
  const cluster = {
    view: { ensureAnswering: async () => {} },
    prober: { knock: async () => "silent" },
  } as unknown as ReachableCluster;
  const checks: Check[] = [
    { kind: "unit_active", unit: "ssh.service", forMs: 0 },
    { kind: "machine_http", port: 80, path: "/", status: 200 },
    { kind: "port_reachable", port: 5432, control: 22 },
  ];
  for (const check of checks) {
    const world = { ...vmWorld(), cluster: () => cluster };
    const { verdict } = await evaluateTask({ id: "task", checks: [check] }, world);
    expect(verdict.state, check.kind).toBe("errored");
    expect(wordsOf(verdict)).toBe("could not check: the VM is off");
  }
});
