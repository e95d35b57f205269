import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Accelerator, Machine } from "../../sandboxes/machine/machine.ts";
import {
  ensureTemplate,
  removeTemplates,
  type TemplateReport,
} from "../../sandboxes/machine/machine-template.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { Supervisor } from "../../sandboxes/machine/supervisor.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { readInstallation } from "../../server/installation.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { acceleratorOf, makeTestNetwork } from "../support/machine-spec.ts";
import { startServer } from "../support/server-process.ts";
import { makeInstallation, type TestInstallation } from "../support/test-installation.ts";

const STEP_MS = 180_000;
const SERVER_MS = 120_000;
const MAKING_MS = 480_000;

/** One template, which real servers make, and its copies; each test looks at them as the one before left them. */
describe("a VM template and its copies", () => {
  const engine = new DockerEngine();
  const spoilt: string[] = [];
  const hardware = { cpus: 2, memoryMib: 1024, dataDiskGib: 4 };
  const signal = AbortSignal.timeout(1_200_000);
  const networks: string[] = [];
  const copies: Machine[] = [];
  let made: TestInstallation;
  let installation: string;
  let keys: { private: string; public: string };
  let driver: QemuDriver;
  let image: string;
  let accelerator: Accelerator;
  let template: string;
  let hash: string;

  const ensure = async (report: TemplateReport = () => {}) =>
    await ensureTemplate(
      { engine, privateKey: keys.private },
      {
        ...{ image, accelerator, hardware },
        authorizedKey: keys.public,
        labels: { [LABELS.installation]: installation },
      },
      report,
      signal,
    );
  const copy = async () => {
    const network = await makeTestNetwork(engine, installation);
    networks.push(network.network);
    const steps: ProgressEvent[] = [];
    const machine = await driver.create(
      { ...network, image, accelerator, hardware, authorizedKey: keys.public, template },
      (event) => steps.push(event),
      signal,
    );
    copies.push(machine);
    return { machine, steps };
  };
  const inside = async (machine: Machine | undefined, script: string) =>
    (await machine?.place.exec(["sh", "-c", script], { timeoutMs: STEP_MS, user: "root" }))?.stdout.trim() ??
    "";
  const templateHash = async () => {
    const script = "cd /var/lib/machine && cat ram state root.qcow2 data.qcow2 | sha256sum";
    return (await engine.exec(template, ["sh", "-c", script], { timeoutMs: STEP_MS })).stdout.trim();
  };

  const withSpoiltTemplate = async <T>(work: () => Promise<T>) => {
    const spoil = "cd /var/lib/machine && cp state kept-state && head -c 100000 /dev/zero >state";
    await engine.exec(template, ["sh", "-c", spoil], { timeoutMs: STEP_MS });
    try {
      return await work();
    } finally {
      await engine.exec(template, ["mv", "/var/lib/machine/kept-state", "/var/lib/machine/state"], {
        timeoutMs: STEP_MS,
      });
    }
  };

  /** A lab server that wants a template of this hardware. */
  const startMaker = () =>
    startServer(
      {
        ...made.env,
        FOOTBRIDGE_VM_TEMPLATE: "true",
        FOOTBRIDGE_PLACEMENT: "beside",
        FOOTBRIDGE_VM_CPUS: String(hardware.cpus),
        FOOTBRIDGE_VM_MEMORY_MIB: String(hardware.memoryMib),
        FOOTBRIDGE_VM_DATA_DISK_GIB: String(hardware.dataDiskGib),
      },
      SERVER_MS,
    );
  const ofInstallation = () => engine.listContainers({ [LABELS.installation]: installation });
  const templateNow = async () =>
    (await ofInstallation()).find(({ labels }) => labels[LABELS.part] === "template");
  const templateStatus = async () => {
    const now = await templateNow();
    if (!now?.running) return undefined;
    // A server may be removing it at this very moment.
    return await new Supervisor({ engine, container: now.name }).status().catch(() => undefined);
  };

  beforeAll(async () => {
    image = await builtImage("machine");
    accelerator = await acceleratorOf(engine, image);
    // Without the template that tests share, which these servers would find made.
    made = await makeInstallation({ FOOTBRIDGE_VM_TEMPLATE: "false" });
    installation = made.id;
    const known = await readInstallation(made.env.FOOTBRIDGE_STATE_DIR ?? "");
    if (!known) throw new Error("the installation has no keys");
    keys = { private: known.sshPrivateKey, public: known.sshPublicKey };
    driver = new QemuDriver({
      engine,
      privateKey: keys.private,
      onSpoiltTemplate: (error, sandboxId) => spoilt.push(`${sandboxId}: ${error}`),
    });
  });
  afterAll(async () => {
    for (const machine of copies) await machine.destroy();
    for (const network of networks) await engine.removeNetwork(network);
    await driver?.[Symbol.asyncDispose]();
    await made?.[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  it("is made anew where a server was killed while it made it, and nothing else is left", async () => {
    await using killed = await startMaker();
    const boots = async () => Boolean((await templateStatus())?.qemu);
    await poll(boots, "its guest boots", { timeoutMs: SERVER_MS });
    await killed.killHard();
    const half = await templateNow();
    expect(await templateStatus()).toMatchObject({ remembered: expect.any(Object) });
    expect((await templateStatus())?.remembered?.isSaved).toBeUndefined();

    await using maker = await startMaker();
    const isMade = async () => (await templateStatus())?.remembered?.isSaved === true;
    await poll(isMade, "another is made", { timeoutMs: MAKING_MS, pauseMs: 500 });
    const { name = "", id } = (await templateNow()) ?? {};
    expect(name).toBe(half?.name);
    expect(id).not.toBe(half?.id);
    // The firewall's keeper comes and goes.
    const isAlone = async () => (await ofInstallation()).every((one) => one.name === name);
    await poll(isAlone, "no other container is left");
    await maker.killHard();
    expect(await engine.listNetworks({ [LABELS.installation]: installation })).toEqual([]);
    const filter = `label=${LABELS.installation}=${installation}`;
    const list = ["docker", "volume", "ls", "-q", "--filter", filter] as const;
    expect((await run(list, { timeoutMs: 20_000 })).stdout).toBe(name);
  });

  it("is taken on, not made again, and gives copies", async () => {
    const { id } = (await templateNow()) ?? {};
    const steps: string[] = [];
    template = (await ensure((event) => steps.push(`${event.step} ${event.state}`))).volume;
    expect(steps).toEqual(["prepare VM template started", "prepare VM template done"]);
    expect((await templateNow())?.id).toBe(id);
    hash = await templateHash();
    for (let count = 0; count < 3; count += 1) await copy();
  });

  it("go on where it stood, without a boot of their own", async () => {
    const boots = await Promise.all(copies.map((one) => inside(one, "cat /proc/sys/kernel/random/boot_id")));
    expect(new Set(boots).size).toBe(1);
    expect(boots[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(await inside(copies[0], "systemctl is-system-running")).toBe("running");
  });

  it("share no random number, machine id or host key", async () => {
    for (const read of [
      "head -c 16 /dev/urandom | od -An -tx1",
      "cat /etc/machine-id",
      "ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | cut -d' ' -f3",
    ]) {
      const answers = await Promise.all(copies.map((one) => inside(one, read)));
      expect(
        answers.every((answer) => answer.length > 20),
        read,
      ).toBe(true);
      expect(new Set(answers).size, read).toBe(copies.length);
    }
  });

  it("have random numbers of their own from the kernel, which saw that it was copied", async () => {
    for (const one of copies)
      expect(await inside(one, "dmesg")).toContain("crng reseeded due to virtual machine fork");
  });

  it("go on with the journal where the administrator looks for it", async () => {
    for (const one of copies) {
      await inside(one, "logger -t probe written-by-a-copy");
      await poll(
        async () => (await inside(one, "journalctl -q -t probe")).includes("written-by-a-copy"),
        "it is there",
      );
      expect(await inside(one, "journalctl -q -u postgresql@17-main.service -n 3")).toContain("postgres");
    }
  });

  it("know what time it is", async () => {
    const before = Date.now();
    const guest = Number(await inside(copies[0], "date +%s%3N"));
    expect(guest).toBeGreaterThan(before - 2_000);
    expect(guest).toBeLessThan(Date.now() + 2_000);
  });

  it("keep what they write to themselves", async () => {
    const [one, two] = copies;
    const fill =
      "head -c 300000000 /dev/urandom >/dev/shm/fill; head -c 50000000 /dev/urandom >/root/fill; sync; rm /dev/shm/fill; fstrim / || true";
    await inside(one, fill);
    expect(await inside(two, "ls /root/fill /dev/shm/fill 2>/dev/null")).toBe("");
    expect(await inside(two, "systemctl is-system-running")).toBe("running");
    expect(await templateHash()).toBe(hash);
  });

  it("show on their console the boot they come from", async () => {
    const console = await copies[0]?.openConsole();
    let printed = "";
    for await (const chunk of console ?? []) {
      printed += chunk;
      if (printed.includes("Linux version")) break;
    }
    expect(printed).toContain("Linux version");
  });

  it("boot from their own disks after the reset button, and with other hardware once they were off", async () => {
    const [one, , three] = copies;
    await inside(three, "echo kept >/root/word; sync");
    await three?.hardReset(signal);
    expect(await inside(three, "cat /root/word")).toBe("kept");

    await inside(one, "echo kept >/root/word; sync");
    await one?.resize({ cpus: 1, memoryMib: 768, dataDiskGib: 5 });
    await one?.stop(STEP_MS, signal);
    await one?.start(() => {}, signal);
    expect(await inside(one, "cat /root/word; nproc; lsblk -dno SIZE /dev/vdb")).toBe("kept\n1\n   5G");
    expect(await inside(one, "journalctl -q -n 1")).not.toBe("");
    expect(await inside(one, "cat /proc/sys/kernel/random/boot_id")).not.toBe(
      await inside(copies[1], "cat /proc/sys/kernel/random/boot_id"),
    );
  });

  it("boot where the template is spoilt, and that is told", async () => {
    const { machine, steps } = await withSpoiltTemplate(copy);
    expect(await inside(machine, "echo here")).toBe("here");
    expect(steps.map(({ step }) => step)).toContain("boot guest");
    expect(steps.filter(({ state }) => state === "failed")).toEqual([]);
    expect(spoilt).toEqual([expect.stringMatching(/could not be a copy.*not a migration stream/is)]);
  });

  it("outlive a removal of the template, which stays while they are there", async () => {
    await removeTemplates(engine, installation);
    expect(await inside(copies[1], "echo here")).toBe("here");
    expect(await engine.inspectContainer(template)).toBeDefined();
    for (const machine of copies.splice(0)) await machine.destroy();
    await removeTemplates(engine, installation);
    expect(await engine.inspectContainer(template)).toBeUndefined();
  });
});
