import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { makeInstallation, type TestInstallation } from "../support/test-installation.ts";

/** The unit of the docs, under a systemd of its own: that of a node image, with this host's Docker. In order. */
const START_MS = 120_000;
const LIBATOMIC = "/usr/lib/x86_64-linux-gnu/libatomic.so.1";
const name = `fb-systemd-${process.pid}`;
const checkout = fileURLToPath(new URL("../..", import.meta.url));
const unitFile = fileURLToPath(new URL("../../docs/footbridge.service", import.meta.url));

const { cacheDir } = hostPaths(process.env);

let installation: TestInstallation;

async function inHost(script: string, input = ""): Promise<{ stdout: string; exitCode: number }> {
  const argv = ["docker", "exec", "--interactive", name, "sh", "-c", script] as const;
  return await run(argv, { timeoutMs: 120_000, input, okExitCodes: [1, 3] });
}

async function done(script: string, input?: string): Promise<string> {
  const { stdout, exitCode } = await inHost(script, input);
  expect(exitCode, `${script}: ${stdout}`).toBe(0);
  return stdout;
}

async function write(path: string, content: string): Promise<void> {
  await done(`mkdir -p "$(dirname ${path})" && cat >${path}`, content);
}

const show = async (property: string) => await done(`systemctl show --value -p ${property} footbridge`);

async function untilServing(): Promise<void> {
  const ask = `curl -fsS http://127.0.0.1:${installation.env.FOOTBRIDGE_PORT}/healthz || true`;
  await poll(async () => (await inHost(ask)).stdout.includes("ready"), "the server is ready", {
    timeoutMs: START_MS,
    pauseMs: 500,
  }).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${await done("journalctl --no-pager -u footbridge")}`);
  });
}

/** What differs from the docs' installation; the unit itself stays as it is. */
async function writeSettings(change: Record<string, string> = {}): Promise<void> {
  const here = { FOOTBRIDGE_CACHE_DIR: cacheDir, FOOTBRIDGE_DOCKER_HOST: "unix:///docker.sock" };
  const settings = { ...installation.env, ...here, ...change };
  const lines = Object.entries(settings).map(([key, value]) => `Environment=${key}=${value}`);
  await write("/etc/systemd/system/footbridge.service.d/test.conf", `[Service]\n${lines.join("\n")}\n`);
  await done("systemctl daemon-reload");
}

beforeAll(async () => {
  installation = await makeInstallation({ FOOTBRIDGE_VM_TEMPLATE: "false" });
  const resolved = async (path: string) =>
    (await run(["readlink", "-f", path], { timeoutMs: 10_000 })).stdout.trim();
  const { stdout: docker } = await run(["which", "docker"], { timeoutMs: 10_000 });
  const seen = {
    [checkout]: "/footbridge:ro",
    [cacheDir]: cacheDir,
    [await resolved(docker.trim())]: "/usr/local/bin/docker:ro",
    // A node has no Node.js, nor what that needs.
    [await resolved(LIBATOMIC)]: `${LIBATOMIC}:ro`,
    "/var/run/docker.sock": "/docker.sock",
    [installation.env.FOOTBRIDGE_STATE_DIR ?? ""]: installation.env.FOOTBRIDGE_STATE_DIR ?? "",
  };
  const mounts = Object.entries(seen).flatMap(([here, there]) => ["--volume", `${here}:${there}`]);
  // As kind starts a node.
  const node = [
    "--privileged",
    "--cgroupns=private",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/run",
    "--volume",
    "/var",
  ];
  const flags = ["--detach", "--name", name, "--label", "footbridge.test=systemd", ...node, ...mounts];
  await run(["docker", "run", ...flags, await builtImage("node")], { timeoutMs: 60_000 });
  const isUp = async () =>
    /^(starting|running|degraded)/.test((await inHost("systemctl is-system-running")).stdout);
  await poll(isUp, "systemd runs");
  // The packages are this checkout's: bringing them is npm's business, which a node has not got.
  await done(
    `systemctl mask --now kubelet containerd
     mkdir -p /overlay && mount -t tmpfs tmpfs /overlay && mkdir -p /overlay/up /overlay/work /opt/footbridge
     mount -t overlay -o lowerdir=/footbridge,upperdir=/overlay/up,workdir=/overlay/work overlay /opt/footbridge
     cd /opt/footbridge && cksum <package-lock.json >node_modules/.footbridge-lock && touch node_modules/.package-lock.json
     printf '#!/bin/sh\\necho 9.2.0\\n' >/usr/local/bin/npm && chmod +x /usr/local/bin/npm`,
  );
  await write("/etc/systemd/system/footbridge.service", await readFile(unitFile, "utf8"));
  await writeSettings();
});

afterAll(async () => {
  await run(["docker", "rm", "--force", "--volumes", name], { timeoutMs: 120_000, okExitCodes: [1] });
  await installation?.[Symbol.asyncDispose]();
});

test("it is enabled and serves, and its journal has the links", async () => {
  await done("systemctl enable --now footbridge");
  await untilServing();
  expect(await done("systemctl is-enabled footbridge")).toBe("enabled");
  expect(await done("journalctl --no-pager -u footbridge")).toMatch(/learners: +http/);
});

test("it is back when it was killed", async () => {
  const before = await show("MainPID");
  await done(`kill -9 ${before}`);
  await poll(async () => !["0", before].includes(await show("MainPID")), "systemd has started another", {
    timeoutMs: START_MS,
  });
  await untilServing();
  expect(await show("NRestarts")).toBe("1");
});

test("it ends when it is told to, by itself", async () => {
  await done("systemctl stop footbridge");
  expect(await show("ActiveState")).toBe("inactive");
  expect(await show("Result")).toBe("success");
});

test("wrong settings are told, and not tried again and again", async () => {
  await writeSettings({ FOOTBRIDGE_PORT: "eighty" });
  await done("systemctl start footbridge");
  await poll(async () => (await show("ActiveState")) === "failed", "it has failed", { timeoutMs: START_MS });
  expect(await show("ExecMainStatus")).toBe("2");
  expect(await show("NRestarts")).toBe("0");
  expect(await done("journalctl --no-pager -u footbridge")).toContain("`port`");
});
