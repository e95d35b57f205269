import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { ensureImages } from "../../sandboxes/images/image-set.ts";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";
import { loadSettings } from "../../server/load-settings.ts";
import { poll } from "../poll.ts";
import { acceleratorOf, makeTestNetwork } from "../support/machine-spec.ts";

const engine = new DockerEngine();
const keys = makeSshKeys("test");
const driver = new QemuDriver({ engine, privateKey: keys.private });
const networks: string[] = [];
const machines: Machine[] = [];
let image: string;
let machine: Machine;

/** Under emulation, beside whatever else the host does. */
const deadlineMs = 180_000;

beforeAll(async () => {
  const { registry } = await loadSettings(process.env);
  const labsDir = fileURLToPath(new URL("../../labs", import.meta.url));
  const deps = { env: process.env, paths: hostPaths(process.env), report() {} };
  image = (await ensureImages(deps, { labsDir, registry })).machine;
  machine = await boot(4);
}, 3_600_000);

afterAll(async () => {
  for (const one of machines) await one.destroy();
  for (const name of networks) await engine.removeNetwork(name);
  await driver[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

async function boot(dataDiskGib: number): Promise<Machine> {
  const made = await makeTestNetwork(engine);
  networks.push(made.network);
  const hardware = { cpus: 2, memoryMib: 2048, dataDiskGib };
  const on = { accelerator: await acceleratorOf(engine, image), hardware };
  const spec = { ...made, ...on, image, authorizedKey: keys.public };
  const signal = AbortSignal.timeout(300_000);
  const booted = await driver.create(spec, () => {}, signal);
  machines.push(booted);
  return booted;
}

async function inGuest(
  script: string,
  one = machine,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const answer = await one.place.exec(["bash", "-c", script], { timeoutMs: deadlineMs, user: "root" });
  return { ...answer, stdout: answer.stdout.trim() };
}

describe("the guest", () => {
  test("comes up whole, with nothing failed", async () => {
    const state = async () => (await inGuest("systemctl is-system-running")).stdout;
    await poll(async () => !/^(initializing|starting)/.test(await state()), "the boot is over", {
      timeoutMs: deadlineMs,
      pauseMs: 500,
    });
    expect((await inGuest("systemctl --failed --no-legend")).stdout).toBe("");
    expect(await state()).toBe("running");
    expect((await inGuest("cat /etc/hostname; hostname; sudo -u admin sudo -n id -u")).stdout).toBe(
      "machine\nmachine\n0",
    );
  });

  test("lets nobody in by password", async () => {
    const { stdout } = await inGuest("sshd -T");
    expect(stdout).toMatch(/^passwordauthentication no$/m);
    expect(stdout).toMatch(/^kbdinteractiveauthentication no$/m);
  });

  test("serves Inventory with its data", async () => {
    await poll(
      async () => (await inGuest("curl -sf localhost/api/healthz")).exitCode === 0,
      "Inventory answers",
      {
        timeoutMs: deadlineMs,
      },
    );
    expect((await inGuest("curl -s localhost/")).stdout).toContain("<title>Inventory</title>");
    const { items } = JSON.parse((await inGuest("curl -s localhost/api/items")).stdout);
    expect(items).toHaveLength(12);
    expect(JSON.parse((await inGuest("curl -s localhost/api/whoami")).stdout)).toMatchObject({
      hostname: "machine",
      runsOn: "virtual machine",
      warehouse: "Warehouse North",
    });
  });

  test("has a full data volume that can grow, and Inventory notices both", async () => {
    const book = `curl -s -o /dev/null -w '%{http_code}' -d '{"delta":-1}' localhost/api/items/1/adjust`;
    const stock = `curl -s localhost/api/items | jq '.items[] | select(.id == 1).quantity'`;
    const before = Number((await inGuest(stock)).stdout);
    expect((await inGuest("df --output=avail /srv/inventory | tail -1")).stdout).toBe("0");
    expect((await inGuest(book)).stdout).toBe("507");
    expect(Number((await inGuest(stock)).stdout)).toBe(before);
    expect(
      await inGuest("lvextend -q -L +512M /dev/data/inventory && resize2fs /dev/data/inventory"),
    ).toMatchObject({
      exitCode: 0,
    });
    expect((await inGuest(book)).stdout).toBe("200");
    expect(Number((await inGuest(stock)).stdout)).toBe(before - 1);
    expect((await inGuest("tail -1 /srv/inventory/exports/movements.csv")).stdout).toMatch(/,-1,/);
  });

  test("has PostgreSQL listen for others, behind a firewall that lets nobody at it, and only with the password", async () => {
    expect((await inGuest("ss -Hltn 'sport = 5432' | awk '{ print $4 }'")).stdout).toContain("0.0.0.0:5432");
    const connect = "psql -h 10.77.0.2 -U inventory inventory -Atc 'select count(*) from items'";
    const rules = "nft list chain inet filter input";
    expect((await inGuest(rules)).stdout).not.toContain("5432");
    expect((await inGuest("nft list chain inet filter input | grep -c 'policy drop'")).stdout).toBe("1");
    expect(await inGuest(`PGPASSWORD=wrong ${connect}`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("password authentication failed"),
    });
    const right = '. /etc/inventory/api.env; export PGPASSWORD="$DATABASE_PASSWORD"';
    expect((await inGuest(`${right}; ${connect}`)).stdout).toBe("12");
  });

  test("ends the API gently and starts it again", async () => {
    expect(
      await inGuest("systemctl restart inventory-api && systemctl is-active inventory-api"),
    ).toMatchObject({
      stdout: "active",
    });
    expect(
      (
        await inGuest(
          "journalctl --sync; journalctl -u inventory-api -o cat | grep -c '^[0-9TZ:.+-]* ended$'",
        )
      ).stdout,
    ).toBe("1");
  });

  test("writes tonight's export", async () => {
    const made =
      "runuser -u inventory -- /opt/inventory/bin/export-stock && head -1 /srv/inventory/exports/stock-$(date +%F).csv";
    expect(await inGuest(made)).toMatchObject({ stdout: "sku,name,location,quantity" });
  });

  test("starts Docker when it is asked for, not before", async () => {
    expect((await inGuest("systemctl is-active docker")).stdout).toBe("inactive");
    const { stdout } = await inGuest("docker info --format '{{.CgroupVersion}} {{.Driver}}'");
    expect(stdout).toBe("2 overlay2");
  });

  test("keeps its console's login when udev doesn't know the device", async () => {
    const device = "/sys/class/tty/ttyS0";
    expect((await inGuest("systemctl is-active serial-getty@ttyS0")).stdout).toBe("active");
    await inGuest(`udevadm trigger --action=remove --settle ${device}`);
    await poll(
      async () => (await inGuest("systemctl is-active dev-ttyS0.device")).stdout === "inactive",
      "the device is gone for systemd",
      { timeoutMs: deadlineMs },
    );
    expect((await inGuest("systemctl is-active serial-getty@ttyS0")).stdout).toBe("active");
    await inGuest(`udevadm trigger --action=add --settle ${device}`);
  });

  test("is a machine of its own, and grows its volume group with its disk", async () => {
    const identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub";
    const other = await boot(5);
    expect((await inGuest(identity, other)).stdout).not.toBe((await inGuest(identity)).stdout);
    expect((await inGuest("ls /etc/ssh/ssh_host_*_key", other)).stdout).toBe("/etc/ssh/ssh_host_ed25519_key");
    const size = async () =>
      Number((await inGuest("vgs --noheadings --units m --nosuffix -o vg_size data", other)).stdout);
    await poll(async () => (await size()) > 5_000, "the volume group has grown", { timeoutMs: deadlineMs });
  });
});
