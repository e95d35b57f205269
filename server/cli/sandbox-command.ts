import { toolboxName } from "../../sandboxes/cluster/names.ts";
import { containerPlace } from "../../sandboxes/cluster/toolbox.ts";
import { LabError } from "../../sandboxes/errors.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { networkName } from "../../sandboxes/network/subnets.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { sandboxIdOf, sweepContainers } from "../../sandboxes/service/sweep.ts";
import { loadInstallation, ofCommandLine, readInstallation } from "../installation.ts";
import { loadSettings } from "../load-settings.ts";
import { createSandboxStack } from "../sandbox-stack.ts";
import { attachTerminal } from "./attach-terminal.ts";
import { openEngine } from "./lab-host.ts";
import { createProgressPrinter } from "./progress-printer.ts";
import { setUpHost } from "./set-up.ts";

/** The page's begin with `vm-` or `cluster-`. */
const SHELL_NAME = "host-admin";

/** `footbridge sandbox ls`: what Docker's labels tell. */
export async function listSandboxes(): Promise<void> {
  await using engine = openEngine(await loadSettings(process.env), process.env);
  const containers = await engine.listContainers({});
  const rows = new Map<string, { parts: string[]; running: number }>();
  for (const { name, labels, running } of containers) {
    const id = sandboxIdOf(labels);
    if (!id) continue;
    const row = rows.get(id) ?? { parts: [], running: 0 };
    row.parts.push(name.replace(`fb-${id}-`, ""));
    row.running += running ? 1 : 0;
    rows.set(id, row);
  }
  if (rows.size === 0) process.stdout.write("there are no sandboxes\n");
  for (const [id, { parts, running }] of rows)
    process.stdout.write(`${id}  ${running} of ${parts.length} running  ${parts.toSorted().join(", ")}\n`);
}

/** `footbridge sandbox create`: one for whoever runs the host, until they destroy it. */
export async function createSandbox(): Promise<void> {
  const settings = { ...(await loadSettings(process.env)), poolSize: 0, vmTemplate: false };
  const report = createProgressPrinter(process.stdout);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const set = await setUpHost({
    settings,
    env: process.env,
    report,
    mayChangeDocker: false,
    signal: stop.signal,
  });
  await using stack = await createSandboxStack({
    settings,
    installation: ofCommandLine(await loadInstallation(settings.stateDir)),
    ...set,
    env: process.env,
    onTrouble: (error) => process.stderr.write(`${error}\n`),
  });
  stop.signal.throwIfAborted();
  const sandbox = await stack.service.claim();
  stop.signal.addEventListener("abort", () => void stack.service.destroy(sandbox.id), { once: true });
  if (stop.signal.aborted) void stack.service.destroy(sandbox.id);
  const told = new Set<string>();
  const listening = new AbortController();
  const over = Promise.withResolvers<void>();
  const look = async () => {
    const { phase, steps, failure } = await sandbox.inspect();
    for (const one of steps) {
      const key = `${one.step} ${one.state}`;
      if (one.state === "progress" || told.has(key)) continue;
      told.add(key);
      report(one);
    }
    if (phase === "ready") over.resolve();
    if (phase === "failed")
      over.reject(
        new LabError(
          "internal",
          failure?.message ?? "it failed",
          failure?.hint ? { hint: failure.hint } : {},
        ),
      );
    if (phase === "destroying") over.reject(new LabError("aborted", "interrupted; nothing is left of it"));
  };
  sandbox.onChange(() => void look().catch(over.reject), listening.signal);
  try {
    await Promise.all([look(), over.promise]);
    process.stdout.write(`${sandbox.id} is ready; try: npx footbridge sandbox shell ${sandbox.id}\n`);
  } catch (error) {
    await stack.service.destroy(sandbox.id);
    throw error;
  } finally {
    listening.abort();
  }
}

/** `footbridge sandbox shell <id> [vm|cluster]`: a shell of whoever runs the host, beside those of the page. */
export async function openShell(id: string, role: string): Promise<void> {
  if (role !== "vm" && role !== "cluster")
    throw new LabError("bad_request", `there is no shell \`${role}\``, { hint: "say `vm` or `cluster`" });
  if (!process.stdin.isTTY)
    throw new LabError("bad_request", "a shell needs a terminal, and standard input is none", {
      hint: `give it one: script -qec "npx footbridge sandbox shell ${id} ${role}" /dev/null`,
    });
  const settings = await loadSettings(process.env);
  await using engine = openEngine(settings, process.env);
  const [part] = await engine.listContainers({ [LABELS.sandbox]: id });
  if (!part) throw noSuchSandbox(id);
  const local = { input: process.stdin, output: process.stdout };
  // Nested, the cluster's shell is one in the VM.
  if (role === "cluster" && part.labels[LABELS.placement] !== "nested") {
    process.exitCode = await attachTerminal(containerPlace(engine, toolboxName(id)), SHELL_NAME, local);
    return;
  }
  const installation = await readInstallation(settings.stateDir);
  if (!installation)
    throw new LabError("not_found", `the key to the VMs is not in \`${settings.stateDir}\``, {
      hint: "run this as the user the lab server runs as, with its config file or `FOOTBRIDGE_STATE_DIR`",
    });
  await using machines = new QemuDriver({ engine, privateKey: installation.sshPrivateKey });
  const machine = await machines.adopt(id);
  if (!machine)
    throw new LabError("not_found", `sandbox \`${id}\` has no VM yet`, { hint: "wait until it is up" });
  process.exitCode = await attachTerminal(machine.place, SHELL_NAME, local);
}

/** `footbridge sandbox destroy <id>`: containers, nodes, volumes and network. */
export async function destroySandbox(id: string): Promise<void> {
  await using engine = openEngine(await loadSettings(process.env), process.env);
  const networks = await engine.listNetworks({ [LABELS.sandbox]: id });
  const containers = await engine.listContainers({ [LABELS.sandbox]: id });
  if (networks.length + containers.length === 0) throw noSuchSandbox(id);
  await sweepContainers(engine, id);
  await engine.removeNetwork(networkName(id));
  process.stdout.write(`${id} is gone\n`);
}

function noSuchSandbox(id: string): LabError {
  return new LabError("not_found", `there is no sandbox \`${id}\``, {
    hint: "see `npx footbridge sandbox ls`",
  });
}
