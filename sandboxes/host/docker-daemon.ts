import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { LabError } from "../errors.ts";
import { addToJournal, type Journal, readJournal } from "./docker-journal.ts";
import type { HostPaths } from "./docker-paths.ts";
import { type DockerEngineInfo, isSystemdHost, notAllowed, probeDocker } from "./docker-probe.ts";
import { becomeRoot, type RootShell, runAsRoot, writeAsRoot } from "./docker-root.ts";

/** The name under which the Docker daemon knows our OCI runtime. */
export const shimRuntime = "footbridge";

const shimSource = fileURLToPath(new URL("docker-oci-runtime.sh", import.meta.url));

interface DaemonDeps {
  paths: HostPaths;
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
}

/** Puts the OCI runtime on the host and in the journal. Writing it again changes nothing. */
export async function installShim(deps: DaemonDeps): Promise<void> {
  const root = await becomeRoot("start as root, or with sudo");
  const source = await readFile(shimSource, "utf8");
  const present = await readFile(deps.paths.ociShim, "utf8").catch(() => "");
  if (present === source) return;
  await addToJournal(deps.paths.journalFile, (journal) => journal.files.push(deps.paths.ociShim));
  await writeAsRoot(root, deps.paths.ociShim, source, "0755");
}

/**
 * Starts the installed Docker daemon and waits until it answers: by systemd where it runs, else as a process of its
 * own that outlives us, with its log in the state directory. Only a Docker that came with us is also enabled, so that
 * it starts with the host.
 */
export async function startDaemon(deps: DaemonDeps, options: { shim: boolean }): Promise<DockerEngineInfo> {
  const root = await becomeRoot("start the Docker daemon yourself, or start Footbridge as root or with sudo");
  if (isSystemdHost(deps.paths)) {
    const { installedDocker } = await readJournal(deps.paths.journalFile);
    const start = installedDocker ? (["enable", "--now"] as const) : (["start"] as const);
    await runAsRoot(root, ["systemctl", ...start, "docker"], {
      timeoutMs: 90_000,
      signal: deps.signal,
    });
  } else {
    await spawnDaemon(deps, root, options);
  }
  return await waitForDocker(deps);
}

async function spawnDaemon(deps: DaemonDeps, root: RootShell, options: { shim: boolean }): Promise<void> {
  await removeStalePidFile(root, "/var/run/docker.pid");
  await mkdir(deps.paths.stateDir, { recursive: true });
  const flags = options.shim
    ? [`--add-runtime=${shimRuntime}=${deps.paths.ociShim}`, `--default-runtime=${shimRuntime}`]
    : [];
  const log = openSync(deps.paths.dockerdLog, "a");
  const [file = "dockerd", ...args] = [...root.prefix, "dockerd", ...flags];
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", log, log],
    env: daemonEnvironment(deps.env),
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("spawn", () => resolve(child.pid ?? -1));
    child.once("error", (cause) => {
      reject(new LabError("docker_unavailable", "`dockerd` could not be started", { cause }));
    });
  });
  child.unref();
  await addToJournal(deps.paths.journalFile, (journal) => {
    journal.dockerdPid = pid;
  });
}

// The daemon outlives us: it gets what it needs to reach registries, not everything we happen to hold.
function daemonEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = [
    "PATH",
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
  ];
  const certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
  const kept = [...names, ...certificates].flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  return Object.fromEntries(kept);
}

// After a crash of a host whose /var/run isn't a tmpfs, the number may belong to another process by now, and dockerd
// would refuse to start because of it.
async function removeStalePidFile(root: RootShell, file: string): Promise<void> {
  const pid = (await readFile(file, "utf8").catch(() => "")).trim();
  if (!/^\d+$/.test(pid)) return;
  const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
  if (name !== "dockerd") await runAsRoot(root, ["rm", "-f", file], { timeoutMs: 10_000 });
}

/** A daemon that starts gives its socket to the group `docker` only after it has made it. */
const REFUSAL_MS = 2_000;

/**
 * Polls until the engine answers.
 * @throws LabError `docker_unavailable`: as soon as it goes on refusing this user, who may have started it by sudo
 *   without being in the group `docker`; else after `timeoutMs`, with the end of the daemon's log.
 */
export async function waitForDocker(deps: DaemonDeps, timeoutMs = 60_000): Promise<DockerEngineInfo> {
  const deadline = Date.now() + timeoutMs;
  let refusedAt: number | undefined;
  for (;;) {
    const info = await probeDocker(deps.env, deps.signal);
    if (!("problem" in info)) return info;
    refusedAt = info.problem === "forbidden" ? (refusedAt ?? Date.now()) : undefined;
    if (refusedAt !== undefined && Date.now() - refusedAt > REFUSAL_MS) throw notAllowed();
    if (Date.now() > deadline) throw await notAnswering(deps, info.message);
    await delay(300, undefined, deps.signal ? { signal: deps.signal } : {});
  }
}

async function notAnswering(deps: DaemonDeps, message: string): Promise<LabError> {
  const log = await readFile(deps.paths.dockerdLog, "utf8").catch(() => "");
  const tail = log.trimEnd().split("\n").slice(-3).join("\n");
  return new LabError(
    "docker_unavailable",
    `Docker was started but does not answer: ${message}\n${tail}`.trim(),
    {
      hint: isSystemdHost(deps.paths) ? "see `journalctl -u docker`" : `see ${deps.paths.dockerdLog}`,
    },
  );
}

/** What has to be in daemon.json for the OCI runtime, as something to paste. */
export function shimSettings(paths: HostPaths) {
  return { runtimes: { [shimRuntime]: { path: paths.ociShim } }, "default-runtime": shimRuntime };
}

/**
 * Adds the OCI runtime to daemon.json and restarts the daemon. For a Docker that did not come with us this takes its
 * owner's consent, whether or not there is a file: a restart ends what runs in it. A file that was there is kept
 * beside as a backup.
 * @throws LabError `docker_unavailable` with the lines to add, where there is no consent.
 */
export async function configureShim(deps: DaemonDeps, options: { consent: boolean }): Promise<void> {
  const { paths } = deps;
  const exists = existsSync(paths.daemonJson);
  const wanted = shimSettings(paths);
  const journal = await readJournal(paths.journalFile);
  if (!journal.installedDocker && !options.consent)
    throw new LabError(
      "docker_unavailable",
      "privileged containers can't work with this Docker, because the host lacks CAP_SYS_RESOURCE",
      {
        hint:
          `add ${JSON.stringify(wanted)} to ${paths.daemonJson} and restart Docker, ` +
          "or let Footbridge do it with `--change-docker`; Docker 24 or newer needs neither",
      },
    );
  const root = await becomeRoot(`add ${JSON.stringify(wanted)} to ${paths.daemonJson}`);
  const current = exists ? readDaemonJson(paths.daemonJson, await readFile(paths.daemonJson, "utf8")) : {};
  const merged = { ...current, ...wanted, runtimes: { ...current.runtimes, ...wanted.runtimes } };
  if (!isNoted(journal, paths.daemonJson)) {
    const backup = `${paths.daemonJson}.before-footbridge`;
    if (exists) await runAsRoot(root, ["cp", "-p", paths.daemonJson, backup], { timeoutMs: 10_000 });
    await addToJournal(paths.journalFile, ({ changed, files }) => {
      if (exists) changed.push({ file: paths.daemonJson, backup });
      else files.push(paths.daemonJson);
    });
  }
  await writeAsRoot(root, paths.daemonJson, `${JSON.stringify(merged, null, 2)}\n`, "0644");
  if (isSystemdHost(deps.paths))
    await runAsRoot(root, ["systemctl", "restart", "docker"], { timeoutMs: 120_000 });
  else
    throw new LabError("docker_unavailable", `${paths.daemonJson} is ready, and Docker has to be restarted`, {
      hint: "restart the Docker daemon the way this host starts it, then start Footbridge again",
    });
}

const DaemonJson = z.looseObject({ runtimes: z.record(z.string(), z.unknown()).optional() });

function readDaemonJson(file: string, text: string): z.infer<typeof DaemonJson> {
  try {
    return DaemonJson.parse(JSON.parse(text));
  } catch (cause) {
    throw new LabError("docker_unavailable", `${file} is not what Docker would understand`, {
      hint: "mend it, or move it away, then start Footbridge again",
      cause,
    });
  }
}

// A second call must not take what the first one wrote for what was there before us.
function isNoted({ files, changed }: Journal, file: string): boolean {
  return files.includes(file) || changed.some((one) => one.file === file);
}

/** Ends the daemon that `startDaemon` spawned, if it still is that one. */
export async function stopDaemon(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (!command.includes("dockerd")) return false;
  const root = await becomeRoot(`stop the Docker daemon: kill ${pid}`);
  await runAsRoot(root, ["kill", String(pid)], { timeoutMs: 10_000 });
  const deadline = Date.now() + 60_000;
  while (existsSync(`/proc/${pid}`)) {
    if (Date.now() > deadline)
      throw new LabError("timed_out", `the Docker daemon ${pid} does not end`, { hint: `kill -9 ${pid}` });
    await delay(200);
  }
  return true;
}
