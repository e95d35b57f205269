import { once } from "node:events";
import { LabError } from "../../sandboxes/errors.ts";
import { createApp } from "../app.ts";
import { prepareLab } from "../checks/prepare-lab.ts";
import { watchTasks } from "../checks/watch-tasks.ts";
import { loadInstallation } from "../installation.ts";
import { loadLabs } from "../labs/load-labs.ts";
import { loadSettings } from "../load-settings.ts";
import { createLog } from "../observe/log.ts";
import { createSandboxStack } from "../sandbox-stack.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import { createTerminalHub } from "../terminal/terminal-hub.ts";
import { clientDir, labsDir } from "./places.ts";
import { createProgressPrinter } from "./progress-printer.ts";
import { setUpHost } from "./set-up.ts";

/** A server that is told to end does so within this time, whatever still holds it; what it owns is in Docker. */
const END_MS = 8_000;

/** `footbridge start`: everything from a bare host to the printed links; then serves until it is interrupted. */
export async function start(options: { changeDocker?: boolean }): Promise<void> {
  const stop = endBySignal();

  const settings = await loadSettings(process.env);
  const labs = await loadLabs(labsDir);
  const { images, usesKvm } = await setUpHost({
    settings,
    env: process.env,
    report: createProgressPrinter(process.stdout),
    mayChangeDocker: options.changeDocker ?? false,
    signal: stop,
  }).catch((cause: unknown) => {
    if (!stop.aborted) throw cause;
    throw new LabError("aborted", "the set-up was interrupted", {
      hint: "`npm start` goes on where it was; `npx footbridge uninstall` takes back what is there",
      cause,
    });
  });
  const endInTime = () => setTimeout(() => process.exit(0), END_MS).unref();
  if (stop.aborted) endInTime();
  else stop.addEventListener("abort", endInTime);
  const log = createLog(settings);
  await using store = await openSqliteStore(`${settings.stateDir}/footbridge.sqlite`);
  await using stack = await createSandboxStack({
    settings,
    installation: await loadInstallation(settings.stateDir),
    images,
    usesKvm,
    env: process.env,
    report: ({ step, state, message }) => {
      if (step === "prepare VM template" && state !== "progress") log.info({ state, message }, step);
    },
    onTrouble: (error, sandboxId) =>
      log.warn({ sandboxId, code: error.code, hint: error.hint }, error.message),
  });
  await using hub = createTerminalHub({ resolve: stack.terminals });
  await using app = await createApp({
    settings,
    store,
    sandboxes: stack.service,
    labs,
    offer: {
      placement: stack.settings.placement,
      nodes: stack.settings.nodes,
      enforcesNetworkPolicy: images.node.enforcesNetworkPolicy,
    },
    watchTasks,
    prepareLab,
    hub,
    connect: stack.connect,
    log,
    clientDir,
  });
  const { url } = await app.listen();
  process.stdout.write(
    [
      "",
      `Footbridge is at ${url} (${stack.settings.accelerator === "kvm" ? "KVM" : "emulation"}, cluster ${stack.settings.placement} the VM)`,
      `  learners:   ${app.learnerLink()}`,
      `  instructor: ${await app.instructorLink()}   (works once)`,
      "",
      "",
    ].join("\n"),
  );
  if (!stop.aborted) await once(stop, "abort");
}

/** Aborts at the first SIGINT or SIGTERM; the second ends the process. The set-up may have a dpkg to wait for. */
function endBySignal(): AbortSignal {
  const stop = new AbortController();
  const end = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  return stop.signal;
}
