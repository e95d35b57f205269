import { afterAll, beforeAll, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { machineContainer, PATHS } from "../../sandboxes/machine/names.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { hasFirewall } from "../../sandboxes/network/firewall.ts";
import { networkName } from "../../sandboxes/network/subnets.ts";
import { run, shellQuote } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { readInstallation } from "../../server/installation.ts";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { Browser } from "../support/browser.ts";
import { builtImage } from "../support/built-image.ts";
import { attemptOf } from "../support/lab-server.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { makeInstallation, type TestInstallation } from "../support/test-installation.ts";
import { leftOf as leftOfSandbox, partsOf } from "./cluster-parts.ts";

/** A real server on the real thing, killed in the midst of what it does and started again; the tests go in order. */
const START_MS = 120_000;
const BRING_UP_MS = 480_000;
const JOIN_CODE = "crash-tests";

const engine = new DockerEngine();
let installation: TestInstallation;
let server: ServerProcess;
let learner: Browser;
let attempt: AttemptView;

beforeAll(async () => {
  installation = await makeInstallation({
    FOOTBRIDGE_POOL_SIZE: "1",
    FOOTBRIDGE_MAX_SANDBOXES: "1",
    // The pool would wait for it, and its guests would not boot.
    FOOTBRIDGE_VM_TEMPLATE: "false",
    FOOTBRIDGE_JOIN_CODE: JOIN_CODE,
  });
  await start();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
});

/** Resolves when it has taken up what the one before left. */
async function start(change: Record<string, string> = {}): Promise<void> {
  server = await startServer({ ...installation.env, ...change }, START_MS);
  const health = async () => (await fetch(new URL("/healthz", server.url))).status;
  await poll(async () => (await health()) === 200, "it is ready", { timeoutMs: START_MS, pauseMs: 200 });
}

/** The id of the sandbox whose machine runs QEMU now; the only one there is. */
async function bootingSandbox(): Promise<string | undefined> {
  const machines = await engine.listContainers({
    [LABELS.installation]: installation.id,
    [LABELS.part]: "machine",
  });
  for (const { name, running, labels } of machines)
    if (running && (await runsQemu(name))) return labels[LABELS.sandbox];
  return undefined;
}

async function runsQemu(container: string): Promise<boolean> {
  const argv = ["pgrep", "-f", "^qemu-system"];
  return (await engine.exec(container, argv, { timeoutMs: 20_000 })).exitCode === 0;
}

/** What the VM's console has printed from this byte on. */
async function printedFrom(id: string, byte: number): Promise<string> {
  const argv = ["tail", "-c", `+${byte + 1}`, PATHS.console];
  return (await engine.exec(machineContainer(id), argv, { timeoutMs: 20_000 })).stdout;
}

/** What the guest itself says. */
async function inVm(id: string, script: string): Promise<string> {
  const known = await readInstallation(installation.env.FOOTBRIDGE_STATE_DIR ?? "");
  await using machines = new QemuDriver({ engine, privateKey: known?.sshPrivateKey ?? "" });
  const machine = await machines.adopt(id);
  const done = await machine?.place.exec(["sh", "-c", script], { timeoutMs: 60_000, user: "root" });
  return done?.stdout.trim() ?? "";
}

const leftOf = (id: string) => leftOfSandbox(engine, id);

/** Runs a script in the machine's container, as its owner. Gives its exit code. */
async function inMachine(id: string, script: string): Promise<number> {
  const argv = ["sh", "-c", script];
  const options = { timeoutMs: 20_000, user: "root" };
  return (await engine.exec(machineContainer(id), argv, options)).exitCode;
}

/** Keeps disks from growing until the function it gives is called, which grows none. */
async function holdResize(id: string): Promise<() => Promise<void>> {
  const hold = `#!/bin/sh
[ "$1" = resize ] || exec /usr/bin/qemu-img.real "$@"
touch /tmp/resizing
while [ -e /tmp/resizing ]; do sleep 0.1; done
exit 1`;
  const install = `cd /usr/bin && mv qemu-img qemu-img.real && printf %s ${shellQuote([hold])} >qemu-img && chmod 755 qemu-img`;
  expect(await inMachine(id, install)).toBe(0);
  return async () => {
    expect(await inMachine(id, "mv /usr/bin/qemu-img.real /usr/bin/qemu-img && rm /tmp/resizing")).toBe(0);
  };
}

/** Keeps the sandbox's network from being removed until it is disposed of. */
async function holdNetwork(id: string): Promise<AsyncDisposable> {
  const name = `fb-crash-holder-${process.pid}`;
  const options = ["--detach", "--name", name, "--network", networkName(id)];
  const argv = ["docker", "run", ...options, await builtImage("machine"), "sleep", "600"] as const;
  await run(argv, { timeoutMs: 60_000 });
  return { [Symbol.asyncDispose]: () => engine.removeContainer(name) };
}

async function kindRunsFor(id: string): Promise<boolean> {
  const find = ["pgrep", "-f", `create cluster --name fb-${id} `] as const;
  return (await run(find, { timeoutMs: 10_000, okExitCodes: [1] })).exitCode === 0;
}

const view = () => attemptOf(learner, attempt.id);
const ofAttempt = () => ({ parameters: { attemptId: attempt.id } });

async function untilPower(power: "on" | "off"): Promise<void> {
  const seen = async () => (await view()).sandbox?.machine?.power;
  await poll(async () => (await seen()) === power, `the VM is ${power}`, {
    timeoutMs: BRING_UP_MS,
    pauseMs: 500,
  });
}

async function untilPhase(phase: "ready" | "degraded"): Promise<AttemptView> {
  await poll(
    async () => {
      const { sandbox } = await view();
      if (sandbox?.phase === "failed") throw new Error(`it failed: ${JSON.stringify(sandbox.failure)}`);
      return sandbox?.phase === phase;
    },
    `the sandbox is ${phase}`,
    { timeoutMs: BRING_UP_MS, pauseMs: 500 },
  );
  return await view();
}

test("killed while the pool's guest boots, it leaves nothing half-made and makes another", async () => {
  let first: string | undefined;
  await poll(
    async () => {
      first = await bootingSandbox();
      return first !== undefined;
    },
    "the guest boots",
    { timeoutMs: 120_000, pauseMs: 200 },
  );
  await server.killHard();
  await start();
  expect(await leftOf(first ?? "")).toEqual([]);
});

test("killed while a learner's cluster is made, it gives him another sandbox without a word", async () => {
  learner = await new Browser(server.url).visit();
  await learner.join(JOIN_CODE, "Ada");
  attempt = (await learner.ask(routes.startAttempt, { json: { labId: "first-crossing" } })).body;
  const first = async () => (await view()).sandbox;
  await poll(
    async () => {
      const steps = (await first())?.steps ?? [];
      return steps.some((one) => one.name === "create cluster" && one.state === "progress");
    },
    "the cluster is being made",
    { timeoutMs: 120_000, pauseMs: 100 },
  );
  const id = (await first())?.id ?? "";
  expect(await kindRunsFor(id)).toBe(true);
  await server.killHard();
  await poll(async () => !(await kindRunsFor(id)), "kind goes with the server");
  await start();
  expect(await leftOf(id)).toEqual([]);
  const ready = await untilPhase("ready");
  expect(ready.sandbox?.id).not.toBe(id);
});

test("killed, with everything of a learner's sandbox stopped or gone but its disks, it takes it up and repairs it", async () => {
  const before = await view();
  const id = before.sandbox?.id ?? "";
  const file = { parameters: { attemptId: attempt.id }, query: { place: "vm", path: "/home/admin/kept" } };
  const kept = await learner.ask(routes.upload, { ...file, bytes: Buffer.from("an hour's work") });
  expect(kept.status, JSON.stringify(kept.body)).toBeLessThan(300);
  await server.killHard();
  // What a restart of Docker leaves, and a shell's container that somebody removed.
  const names = (await partsOf(engine, id)).map(({ name }) => name);
  await run(["docker", "stop", ...names], { timeoutMs: 120_000 });
  await engine.removeContainer(`fb-${id}-toolbox`);
  await start();
  const hurt = await untilPhase("degraded");
  expect(hurt.sandbox).toMatchObject({
    id,
    machine: { power: "broken", trouble: { remedy: expect.any(String) } },
  });
  const repaired = await learner.ask(routes.repair, { parameters: { attemptId: attempt.id } });
  expect(repaired.status, JSON.stringify(repaired.body)).toBe(200);
  expect((await untilPhase("ready")).sandbox?.id).toBe(id);
  const again = await learner.ask(routes.download, file);
  expect(again.status, JSON.stringify(again.body)).toBe(200);
  expect(String(again.body)).toBe("an hour's work");
});

test("killed while it resets a lab, it takes the old sandbox away and gives a new one", async () => {
  const before = (await view()).sandbox?.id ?? "";
  const reset = learner.ask(routes.resetAttempt, { parameters: { attemptId: attempt.id } }).catch(() => {});
  await poll(async () => (await view()).state !== "running", "the reset has begun", { pauseMs: 20 });
  await server.killHard();
  await reset;
  await start();
  expect(await leftOf(before)).toEqual([]);
  const after = await untilPhase("ready");
  expect(after.sandbox?.id).not.toBe(before);
  expect(after.tasks.every(({ state }) => state !== "passed")).toBe(true);
});

test("killed while a VM shuts down, it finds it off, with its cluster as it was", async () => {
  const id = (await view()).sandbox?.id ?? "";
  // So that it is not off before its server is killed.
  const slow = "--unit=slow-to-stop --property=ExecStop='/bin/sleep 15' --property=TimeoutStopSec=60";
  await inVm(id, `systemd-run --quiet ${slow} sleep infinity`);
  const printed = Buffer.byteLength(await printedFrom(id, 0));
  const off = learner.ask(routes.power, { ...ofAttempt(), json: { action: "off" } }).catch(() => {});
  await poll(async () => /Stopp(ing|ed) /.test(await printedFrom(id, printed)), "the guest shuts down");
  expect(await runsQemu(machineContainer(id))).toBe(true);
  await server.killHard();
  await off;
  await start();
  await untilPower("off");
  const { sandbox } = await view();
  expect(sandbox).toMatchObject({ id, phase: "ready", cluster: { phase: "ready" } });
  expect(sandbox?.action).toBeUndefined();
});

test("killed while a VM is given other hardware, it still has that to give, and gives it", async () => {
  const before = (await view()).sandbox;
  const id = before?.id ?? "";
  const had = before?.machine?.hardware ?? { cpus: 0, memoryMib: 0, dataDiskGib: 0 };
  const wanted = { cpus: had.cpus, memoryMib: had.memoryMib + 128, dataDiskGib: had.dataDiskGib + 1 };
  const resized = await learner.ask(routes.hardware, { ...ofAttempt(), json: wanted });
  expect(resized.status, JSON.stringify(resized.body)).toBeLessThan(300);
  // Several changes are made, one after the other: it is killed when the container has its new limits and before the
  // disk has its new size.
  const release = await holdResize(id);
  const on = learner.ask(routes.power, { ...ofAttempt(), json: { action: "on" } }).catch(() => {});
  const isHeld = async () => (await inMachine(id, "test -e /tmp/resizing")) === 0;
  await poll(isHeld, "the disk is to grow", { timeoutMs: START_MS, pauseMs: 100 });
  await server.killHard();
  await on;
  await release();
  await start();
  expect((await view()).sandbox?.machine).toMatchObject({
    power: "off",
    hardware: had,
    pendingHardware: wanted,
  });
  const again = await learner.ask(routes.power, { ...ofAttempt(), json: { action: "on" } });
  expect(again.status, JSON.stringify(again.body)).toBe(200);
  await untilPower("on");
  const { machine } = (await view()).sandbox ?? {};
  expect(machine?.hardware).toEqual(wanted);
  expect(machine?.pendingHardware).toBeUndefined();
  expect(await inVm(id, "lsblk -dno SIZE /dev/vdb")).toBe(`${wanted.dataDiskGib}G`);
});

test("killed while it repairs, it takes up what runs by then, and the next repair does the rest", async () => {
  const id = (await view()).sandbox?.id ?? "";
  await inVm(id, "echo kept >/root/word; sync");
  await engine.exec(machineContainer(id), ["pkill", "-9", "-f", "^qemu-system"], { timeoutMs: 20_000 });
  await engine.stopContainer(`fb-${id}-control-plane`, 1_000);
  await untilPhase("degraded");
  const repair = learner.ask(routes.repair, ofAttempt()).catch(() => {});
  await poll(() => runsQemu(machineContainer(id)), "the VM boots", { timeoutMs: 120_000 });
  await server.killHard();
  await repair;
  await start();
  const { sandbox } = await view();
  expect(sandbox).toMatchObject({ id, phase: "degraded", cluster: { phase: "broken" } });
  expect(["starting", "on"]).toContain(sandbox?.machine?.power);
  expect(sandbox?.action).toBeUndefined();
  const again = await learner.ask(routes.repair, ofAttempt());
  expect(again.status, JSON.stringify(again.body)).toBe(200);
  await untilPhase("ready");
  await untilPower("on");
  expect(await inVm(id, "cat /root/word")).toBe("kept");
});

test("killed while it ends a lab, it takes away the rest, and the lab has ended", async () => {
  const id = (await view()).sandbox?.id ?? "";
  const all = (await leftOf(id)).length;
  {
    // So that it is not gone before its server is killed.
    await using _held = await holdNetwork(id);
    const end = learner.ask(routes.endAttempt, ofAttempt()).catch(() => {});
    await poll(async () => (await leftOf(id)).length < all, "the sandbox goes", { pauseMs: 100 });
    await server.killHard();
    await end;
    expect(await leftOf(id)).toContain(networkName(id));
  }
  await start({ FOOTBRIDGE_POOL_SIZE: "0" });
  expect(await leftOf(id)).toEqual([]);
  const ended = await view();
  expect(ended.state).toBe("ended");
  expect(ended.sandbox).toBeUndefined();
  expect((await learner.ask(routes.currentAttempt)).body).toBeNull();
  // Nor is there anything else of this installation, after eight servers of it were killed.
  const own = { [LABELS.installation]: installation.id };
  // The firewall's keeper comes and goes.
  await poll(async () => (await engine.listContainers(own)).length === 0, "no container is left");
  expect(await engine.listNetworks(own)).toEqual([]);
  const image = await builtImage("machine");
  expect(await hasFirewall({ engine, image }, installation.id)).toBe(true);
});
