import { once } from "node:events";
import { finished } from "node:stream/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { overheadMib } from "../../sandboxes/machine/qemu-arguments.ts";
import { run } from "../../sandboxes/run.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import type { TaskVerdict } from "../../server/checks/verdict.ts";
import { watchTasks } from "../../server/checks/watch-tasks.ts";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { poll } from "../poll.ts";
import { openRealStack, type RealStack, untilPhase } from "../support/real-stack.ts";
import { askHello, HELLO_NODE_PORT, helloOnNodePort, podImage } from "./cluster-parts.ts";

/** A verdict on a busy host. */
const VERDICT_MS = 240_000;

/** One real sandbox, used by the tests below in order: bringing one up takes a while under emulation. */
let real: RealStack;
let sandbox: Sandbox;

beforeAll(async () => {
  real = await openRealStack({ vmTemplate: true });
  sandbox = await real.claimReady();
});

afterAll(() => real?.[Symbol.asyncDispose]());

/**
 * Starts processes until no more can be, tells how many there are, and ends them at an Enter; by words that need no
 * process, since there is none to be had.
 */
const FORK_BOMB = `
trap : TERM
(i=0; while [ $i -lt 400 ]; do sleep 4242 >/dev/null 2>&1 & i=$((i+1)); echo $i; done) 2>&1
echo held
read line
kill 0
`;

/** Answers on port 4711 by TCP, and by UDP as TFTP does it: no other UDP is spoken by what pods have. */
const LISTEN = `
import socket, threading
tcp = socket.create_server(("", 4711))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 4711))
def answer():
    while True:
        udp.sendto(b"\\0\\3\\0\\1udp heard", udp.recvfrom(100)[1])
threading.Thread(target=answer, daemon=True).start()
print("listening", flush=True)
while True:
    peer, _ = tcp.accept()
    peer.sendall(b"tcp heard")
    peer.close()
`;

const inVm = (command: string) =>
  machine().place.exec(["sh", "-c", command], { timeoutMs: 60_000, user: "admin" });
const inCluster = (command: string) =>
  cluster().place.exec(["sh", "-c", command], { timeoutMs: 60_000, user: "admin" });

/** Watches one task of a lab that nobody has begun, by what the sandbox tells and nothing else. */
async function watchTask(taskId: string) {
  const lab = (await loadLabs("labs")).find(({ id }) => id === "first-crossing");
  if (!lab) throw new Error("the lab is not there");
  const states: TaskVerdict["state"][] = [];
  const watcher = watchTasks({
    lab: { ...lab, tasks: lab.tasks.filter(({ id }) => id === taskId) },
    sandbox,
    passed: new Set(),
    sweepMs: null,
    onVerdict: ({ state }) => states.push(state),
  });
  const until = (state: TaskVerdict["state"]) =>
    poll(() => states.at(-1) === state, `${taskId} is ${state}`, { timeoutMs: VERDICT_MS });
  await watcher.listening;
  await until("failed");
  return {
    until,
    async untilErrored() {
      await watcher.evaluate(taskId);
      await until("errored");
    },
    [Symbol.asyncDispose]: () => watcher[Symbol.asyncDispose](),
  };
}

function machine() {
  const found = sandbox.machine();
  if (!found) throw new Error("the sandbox has no machine");
  return found;
}

function cluster() {
  const found = sandbox.cluster();
  if (!found) throw new Error("the sandbox has no cluster");
  return found;
}

test("the bring-up told its steps, all done", async () => {
  const { steps } = await sandbox.inspect();
  expect(steps.length).toBeGreaterThan(4);
  expect(steps.filter((step) => step.state !== "done")).toEqual([]);
});

test("the learner is admin in a Debian 13 VM, with sudo", async () => {
  const { stdout } = await inVm("id -un; sudo id -un; . /etc/os-release; echo $ID $VERSION_ID; uname -n");
  expect(stdout.trim().split("\n")).toEqual(["admin", "root", "debian 13", "machine"]);
});

test("the learner's kubectl sees every node Ready", async () => {
  const { stdout } = await inCluster("kubectl get nodes --no-headers");
  expect(stdout).toContain(`fb-${sandbox.id}-control-plane`);
  expect(stdout).toMatch(/\sReady\s/);
});

test("VM and nodes reach each other by name", async () => {
  const toNode = await inVm(`getent hosts fb-${sandbox.id}-control-plane`);
  expect(toNode.stdout).toMatch(/^10\./);
  const api = await inVm(
    `curl -sk -o /dev/null -w '%{http_code}' https://fb-${sandbox.id}-control-plane:6443/livez`,
  );
  expect(["200", "401", "403"]).toContain(api.stdout);
  // The guest's web server comes up after its SSH, which is what a ready VM answers by.
  const page = "curl -s -o /dev/null -w '%{http_code}' http://machine/";
  await poll(async () => (await inCluster(page)).stdout === "200", "the VM's page is reached", {
    timeoutMs: 120_000,
    pauseMs: 500,
  });
});

test("a NodePort is reached from the VM by the node's name, and by the lab server", async () => {
  const { engine, connect } = real.stack;
  const input = helloOnNodePort(await podImage(engine, sandbox.id));
  const applied = await cluster().place.exec(["kubectl", "apply", "-f", "-"], {
    timeoutMs: 60_000,
    user: "admin",
    input,
  });
  expect(applied, applied.stderr).toMatchObject({ exitCode: 0 });
  await inCluster("kubectl wait pod/hello --for=condition=Ready --timeout=50s");
  const ask = () =>
    connect(sandbox.id, "cluster", HELLO_NODE_PORT)
      .then(askHello)
      .catch((error: unknown) => String(error));
  await poll(async () => (await ask()).endsWith("hello\n"), "the NodePort answers the lab server");
  const fromVm = await inVm(
    `curl -s --max-time 30 http://fb-${sandbox.id}-control-plane:${HELLO_NODE_PORT}/`,
  );
  expect(fromVm.stdout).toBe("hello\n");
});

test("ports opened in the VM are reached at `machine` from node and pod, by TCP and UDP", async () => {
  const { engine } = real.stack;
  await inVm("sudo nft insert rule inet filter input meta l4proto '{ tcp, udp }' th dport 4711 accept");
  const listening = await machine().place.stream(["python3", "-c", LISTEN], { user: "admin" });
  await once(listening, "data");
  const onNode = async (line: string) => {
    const argv = ["timeout", "20", "bash", "-c", `exec 3<>/dev/${line} <&3`];
    return (await engine.exec(`fb-${sandbox.id}-control-plane`, argv, { timeoutMs: 60_000 })).stdout;
  };
  const inPod = async (line: string) => {
    const { stdout, stderr } = await inCluster(
      `kubectl exec hello -- /bin/busybox timeout 20 /bin/busybox ${line}`,
    );
    return stdout + stderr;
  };
  expect(await onNode("tcp/machine/4711; head -c 9")).toBe("tcp heard");
  expect(await onNode("udp/machine/4711; echo hello >&3; head -c 13")).toContain("udp heard");
  // The cluster's name server follows its nodes by seconds.
  await expect.poll(() => inPod("nc machine 4711"), { timeout: 60_000 }).toBe("tcp heard");
  expect(await inPod("tftp -g -r any -l /dev/stdout machine 4711")).toBe("udp heard");
  listening.destroy();
});

test("VM, node and shell have the limits that the settings say", async () => {
  const { hardware, accelerator, nodeLimits } = real.stack.settings;
  const limitsOf = async (part: string) => {
    const format = "{{json .HostConfig}}";
    const argv = ["docker", "inspect", "--format", format, `fb-${sandbox.id}-${part}`] as const;
    const { Memory, MemorySwap, NanoCpus, PidsLimit } = JSON.parse(
      (await run(argv, { timeoutMs: 30_000 })).stdout,
    );
    expect(MemorySwap, `no swap for the ${part}`).toBe(Memory);
    return { memoryMib: Memory / 1024 ** 2, cpus: NanoCpus / 1e9, pids: PidsLimit };
  };
  expect(await limitsOf("machine")).toEqual({
    memoryMib: hardware.memoryMib + overheadMib(accelerator),
    cpus: hardware.cpus,
    pids: 1024,
  });
  expect(await limitsOf("control-plane")).toEqual({
    memoryMib: nodeLimits.nodeMemoryMib,
    cpus: nodeLimits.nodeCpus,
    pids: nodeLimits.nodePids,
  });
  expect(await limitsOf("toolbox")).toEqual({ memoryMib: 256, cpus: 1, pids: 256 });
});

test("processes without end in the shell's container end at its limit, and nobody else notices", async () => {
  const bomb = await cluster().place.stream(["sh", "-c", FORK_BOMB], { user: "admin" });
  let said = "";
  bomb.on("data", (chunk) => {
    said += String(chunk);
  });
  const ended = finished(bomb);
  try {
    await poll(() => said.includes("held"), "no more processes can be had");
    expect(said).toMatch(/cannot fork/i);
    const started = said.split("\n").filter((line) => /^\d+$/.test(line)).length;
    expect(started).toBeGreaterThan(128);
    expect(started).toBeLessThan(256);
    expect((await inVm("echo alive")).stdout).toBe("alive\n");
    const node = `fb-${sandbox.id}-control-plane`;
    const onNode = await real.stack.engine.exec(node, ["sh", "-c", "echo alive"], { timeoutMs: 60_000 });
    expect(onNode.stdout).toBe("alive\n");
  } finally {
    bomb.end("\n");
    await ended;
  }
  const left = async () => (await inCluster("pgrep -fx 'sleep 4242' | wc -l")).stdout.trim();
  await poll(async () => (await left()) === "0", "the processes are gone");
});

test("the reset button restarts the VM, with its disk and the cluster beside it as they were", async () => {
  const bootId = async () => (await inVm("cat /proc/sys/kernel/random/boot_id")).stdout;
  const before = await bootId();
  expect(await inVm("touch before-reset && sync")).toMatchObject({ exitCode: 0 });
  await real.stack.service.power(sandbox.id, "reset");
  await untilPhase(sandbox, "ready", 300_000);
  expect(await bootId()).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(await bootId()).not.toBe(before);
  expect(await inVm("rm before-reset")).toMatchObject({ exitCode: 0 });
  expect((await inCluster("kubectl get pod hello -o 'jsonpath={.status.phase}'")).stdout).toBe("Running");
});

test("QEMU killed shows as broken with a remedy; repair brings the VM and the verdicts on it back", async () => {
  await using watched = await watchTask("grow-the-disk");
  const name = `fb-${sandbox.id}-machine`;
  const killed = await real.stack.engine.exec(name, ["pkill", "-9", "-f", "^qemu-system|/qemu-system"], {
    timeoutMs: 30_000,
  });
  expect(killed.exitCode, killed.stderr).toBe(0);
  const seen = await untilPhase(sandbox, "degraded", 60_000);
  expect(seen.machine?.state).toMatchObject({
    power: "broken",
    reason: expect.any(String),
    remedy: expect.any(String),
  });
  await watched.untilErrored();
  await real.stack.service.repair(sandbox.id);
  await untilPhase(sandbox, "ready", 300_000);
  expect((await inVm("echo back")).stdout.trim()).toBe("back");
  await watched.until("failed");
});

test("a node stopped shows as broken with a remedy; repair brings it and the verdicts on it back", async () => {
  await using watched = await watchTask("run-the-deployment");
  await real.stack.engine.stopContainer(`fb-${sandbox.id}-control-plane`, 1_000);
  const seen = await untilPhase(sandbox, "degraded", 60_000);
  expect(seen.cluster?.state).toMatchObject({ phase: "broken", remedy: expect.any(String) });
  await watched.untilErrored();
  await real.stack.service.repair(sandbox.id);
  await untilPhase(sandbox, "ready", 300_000);
  await watched.until("failed");
});

test("destroying it leaves no container, network or volume", async () => {
  const { engine } = real.stack;
  const volumes = await volumesOf([`fb-${sandbox.id}-machine`, `fb-${sandbox.id}-control-plane`]);
  // The machine's own, and the node's /var without a name.
  expect(volumes.length).toBeGreaterThan(1);
  await real.stack.service.destroy(sandbox.id);
  const networks = await engine.listNetworks({});
  expect(networks.map((one) => one.name)).not.toContain(`fb-${sandbox.id}`);
  expect(await engine.listContainers({ "footbridge.sandbox": sandbox.id })).toEqual([]);
  expect(await engine.listContainers({ "io.x-k8s.kind.cluster": `fb-${sandbox.id}` })).toEqual([]);
  const { stdout } = await run(["docker", "volume", "ls", "--quiet"], { timeoutMs: 30_000 });
  expect(stdout.split("\n").filter((name) => volumes.includes(name))).toEqual([]);
});

/** Names of the volumes that containers may write to; that of a VM's template is only lent to it. */
async function volumesOf(containers: string[]): Promise<string[]> {
  const format = '{{range .Mounts}}{{if and (eq .Type "volume") .RW}}{{println .Name}}{{end}}{{end}}';
  const inspect = ["docker", "inspect", "--format", format, ...containers] as [string, ...string[]];
  return (await run(inspect, { timeoutMs: 30_000 })).stdout.split("\n").filter(Boolean);
}
