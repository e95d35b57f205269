import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { run, shellQuote } from "../../sandboxes/run.ts";
import { ofCommandLine, readInstallation } from "../../server/installation.ts";
import { poll } from "../poll.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { makeInstallation, sweepInstallation, type TestInstallation } from "../support/test-installation.ts";
import { leftOf } from "./cluster-parts.ts";

/** `footbridge sandbox …` beside a lab server on the same state: one real VM and cluster, in order. */
const START_MS = 120_000;
const BRING_UP_MS = 480_000;
const SHELL_MS = 120_000;

const command = fileURLToPath(new URL("../../server/cli/main.ts", import.meta.url));
const engine = new DockerEngine();
let installation: TestInstallation;
let server: ServerProcess;
let id = "";

beforeAll(async () => {
  installation = await makeInstallation();
  await start();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  const known = installation && (await readInstallation(installation.env.FOOTBRIDGE_STATE_DIR ?? ""));
  if (known) await sweepInstallation(ofCommandLine(known).id);
  await installation?.[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

/** Resolves when it has taken up, and swept, what the one before left. */
async function start(): Promise<void> {
  server = await startServer(installation.env, START_MS);
  const health = async () => (await fetch(new URL("/healthz", server.url))).status;
  await poll(async () => (await health()) === 200, "it is ready", { timeoutMs: START_MS, pauseMs: 200 });
}

const env = () => ({ ...installation.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` });

async function footbridge(...args: string[]): Promise<string> {
  return (await run([command, "sandbox", ...args], { timeoutMs: BRING_UP_MS, env: env() })).stdout;
}

/** A shell on a terminal of its own, with `typed` typed into it: what the terminal showed, and how the shell ended. */
async function shell(role: "vm" | "cluster", typed: string) {
  const argv = shellQuote([command, "sandbox", "shell", id, role]);
  return await run(["script", "-qec", argv, "/dev/null"], {
    timeoutMs: SHELL_MS,
    env: env(),
    input: typed,
    okExitCodes: [3],
  });
}

test("create makes one, tells its steps and how to get in", async () => {
  const said = await footbridge("create");
  id = /^(\w+) is ready; try: npx footbridge sandbox shell \1$/m.exec(said)?.[1] ?? "";
  expect(id, said).not.toBe("");
  for (const step of ["boot guest", "create cluster"]) expect(said).toContain(step);
});

test("ls lists it, also once a server has started and swept what nobody owns", async () => {
  const row = `${id}  3 of 3 running  control-plane, machine, toolbox`;
  expect((await footbridge("ls")).split("\n")).toContain(row);
  await server.killHard();
  await start();
  expect((await footbridge("ls")).split("\n")).toContain(row);
});

test("shell is a terminal in its VM, with the shell's exit status", async () => {
  const { stdout, exitCode } = await shell("vm", 'echo "=$((6*7)) $(uname -n) $(tty)"; exit 3\n');
  expect(stdout).toMatch(/=42 machine \/dev\/pts\/\d/);
  expect(exitCode).toBe(3);
});

test("and one in its cluster, where kubectl sees the node", async () => {
  const { stdout, exitCode } = await shell("cluster", "kubectl get nodes --no-headers; exit 3\n");
  expect(stdout).toMatch(new RegExp(`fb-${id}-control-plane +Ready`));
  expect(exitCode).toBe(3);
});

test("destroy leaves nothing of it", async () => {
  // Three containers, the network and the VM's volume.
  expect(await leftOf(engine, id)).toHaveLength(5);
  expect(await footbridge("destroy", id)).toBe(`${id} is gone`);
  expect(await leftOf(engine, id)).toEqual([]);
  expect(await footbridge("ls")).not.toContain(id);
});
