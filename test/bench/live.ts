import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolboxName } from "../../sandboxes/cluster/names.ts";
import { toLabError } from "../../sandboxes/errors.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { WORLD_NAMES } from "../../server/labs/lab.ts";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { openRealStack } from "../support/real-stack.ts";
import { measureEcho } from "./echo.ts";
import type { Figures } from "./figures.ts";
import { measureFlood } from "./flood.ts";
import { measureReconnect } from "./reconnect.ts";
import type { PlainShell } from "./terminal-page.ts";
import { measureThroughput } from "./throughput.ts";
import { findTtyd, type Ttyd } from "./ttyd.ts";
import { measureVerdicts } from "./verdict.ts";

/** Of each task; some of them take a quarter of a minute to be undone. */
const VERDICTS = 10;
/** A tenth of what they are natively, where the VM is emulated. */
const ROUNDS_IN_VM = 3;

/** Figures of one running sandbox: what a learner feels while working in it. */
export async function measureLive(figures: Figures): Promise<void> {
  await using real = await openRealStack();
  const sandbox = await real.claimReady();
  await figures.measure(["verdict_cluster", "verdict_vm"], async () => {
    const lab = (await loadLabs("labs")).find(({ id }) => id === "first-crossing");
    if (!lab) throw new Error("the lab is not there");
    const worlds = WORLD_NAMES.filter((world) => figures.wants(`verdict_${world}`));
    return await measureVerdicts(sandbox, {
      ...{ lab, samples: VERDICTS, worlds },
      log: (line) => figures.note(line),
    });
  });
  await measureTerminals(figures, sandbox, real.installation.sshPrivateKey);
}

/** In the VM beside plain ssh, and in the toolbox, where no emulation is in the way. */
async function measureTerminals(figures: Figures, sandbox: Sandbox, privateKey: string): Promise<void> {
  const vm = sandbox.machine()?.place;
  const toolbox = sandbox.cluster()?.place;
  if (!vm || !toolbox) throw new Error("the sandbox has no VM or no cluster");
  await using ssh = await plainSsh(sandbox.id, privateKey);
  await using ttyd = figures.wants("echo_added", "throughput") ? await ttydUnlessMissing(figures) : undefined;
  await figures.measure(["echo_added"], () => measureEcho({ place: vm, plainShell: ssh.shell, ttyd }));
  await figures.measure(["throughput"], () => {
    const shell = ["docker", "exec", "-it", "-u", "admin", toolboxName(sandbox.id), "bash", "-l"] as const;
    return measureThroughput({ name: "throughput", place: toolbox, ttyd: ttyd && { ttyd, shell } });
  });
  await figures.measure(["throughput"], () =>
    measureThroughput({
      name: "throughput_in_vm",
      place: vm,
      plainShell: ssh.shell,
      ttyd: ttyd && { ttyd, shell: ssh.shell },
      rounds: ROUNDS_IN_VM,
    }),
  );
  await figures.measure(["flood_interrupted"], () => measureFlood(toolbox));
  await figures.measure(["reconnect"], () => measureReconnect(toolbox));
}

async function ttydUnlessMissing(figures: Figures): Promise<Ttyd | undefined> {
  try {
    return await findTtyd();
  } catch (error) {
    figures.note(`ttyd not measured: ${toLabError(error)}`);
    return undefined;
  }
}

/** A login shell in the VM by the ssh of this host, past everything of ours. */
async function plainSsh(
  sandboxId: string,
  privateKey: string,
): Promise<{ shell: PlainShell } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "footbridge-bench-"));
  const key = join(folder, "key");
  await writeFile(key, privateKey, { mode: 0o600 });
  const options = [
    `ProxyCommand=docker exec -i fb-${sandboxId}-machine socat - TCP:10.77.0.2:22`,
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
  ];
  return {
    shell: ["ssh", "-tt", "-i", key, ...options.flatMap((one) => ["-o", one]), "admin@machine"],
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
