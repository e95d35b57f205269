import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LabError, toLabError } from "../errors.ts";
import { docker } from "../images/docker-command.ts";
import { type Report, step } from "../progress.ts";
import { askApt, changePackages, mendPackages } from "./apt.ts";
import { stopDaemon } from "./docker-daemon.ts";
import { installedPackages } from "./docker-install.ts";
import { addToJournal, type Journal, readJournal, removeJournal } from "./docker-journal.ts";
import { listDockerContents, removeDockerContents } from "./docker-leftovers.ts";
import { removeDockerNetworks } from "./docker-network-leftovers.ts";
import type { HostPaths } from "./docker-paths.ts";
import { isSystemdHost, probeDocker, stringsOf } from "./docker-probe.ts";
import { becomeRoot, runAsRoot } from "./docker-root.ts";
import { findRemovable, packagesIn } from "./removable-packages.ts";

export interface UninstallDeps {
  paths: HostPaths;
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
}

/** Where Debian's Docker keeps its data. */
const dockerDataDirs = ["/var/lib/docker", "/var/lib/containerd"];

/**
 * Takes everything away that Footbridge put on this host: what Docker holds of it, the daemon it started, files and
 * packages that were not there before, its state and caches. What others use by now stays as it is, and the journal
 * with it, so that a later call can finish. Interrupted, it goes on where it was; on a host without Footbridge it does
 * nothing.
 * @param options.consent whether a Docker that others use may be restarted, to take changes of its daemon.json back.
 * @throws LabError `forbidden` where root is needed and can't be had or Docker refuses this user, `docker_unavailable`
 * where Docker does not answer: what it holds of us would stay for good, and others may have data in it.
 */
export async function uninstallFromHost(deps: UninstallDeps, options: { consent: boolean }): Promise<void> {
  const { paths, report } = deps;
  const journal = await readJournal(paths.journalFile);
  const isShared = !(await emptyDocker(deps, journal));
  const keepsDocker = isShared && journal.installedDocker;
  const keepsFiles = keepsDocker || (isShared && !options.consent);
  const kept: Journal = {
    ...journal,
    packages: keepsDocker ? journal.packages : [],
    files: keepsFiles ? journal.files : [],
    changed: keepsFiles ? journal.changed : [],
    dockerdPid: isShared ? journal.dockerdPid : undefined,
  };
  if (!isShared) await stopOurDaemon(deps, journal);
  if (!keepsFiles) await takeBackFiles(deps, journal);
  if (!keepsDocker) await removePackages(deps, journal);
  const keepsSome = hasChanges(kept);
  if (keepsSome) {
    await addToJournal(paths.journalFile, (current) => Object.assign(current, kept));
    report({ step: "leave Docker", state: "done", message: describeKept(kept) });
  } else await removeJournal(paths.journalFile);
  await step(report, "remove state and caches", async () => {
    await rm(paths.cacheDir, { recursive: true, force: true });
    const keptFiles = keepsSome ? [paths.journalFile, paths.dockerdLog] : [];
    for (const name of await readdir(paths.stateDir).catch(() => []))
      if (!keptFiles.includes(join(paths.stateDir, name)))
        await rm(join(paths.stateDir, name), { recursive: true, force: true });
    if (!keepsSome) await rmdir(paths.stateDir).catch(() => {});
  });
}

function hasChanges({ packages, files, changed, dockerdPid }: Journal): boolean {
  return packages.length + files.length + changed.length > 0 || dockerdPid !== undefined;
}

function describeKept({ installedDocker, packages, files, changed }: Journal): string {
  const names = [...packages, ...files, ...changed.map(({ file }) => file)];
  const kept = `kept, because others use this Docker: ${names.join(", ") || "the running daemon"}`;
  const canRestart = !installedDocker && names.length > 0;
  return canRestart ? `${kept}; \`--change-docker\` takes them back and restarts Docker` : kept;
}

/** @returns whether nothing of anybody else is in it. */
async function emptyDocker(deps: UninstallDeps, journal: Journal): Promise<boolean> {
  const cli = {
    env: stringsOf({ DOCKER_HOST: deps.env.DOCKER_HOST, DOCKER_CONTEXT: deps.env.DOCKER_CONTEXT }),
  };
  const found = await probeDocker(deps.env, deps.signal);
  if ("problem" in found) {
    if (found.problem !== "no-cli" && !journal.isDockerEmptied) throw unanswered(found);
    deps.report({ step: "remove sandboxes and images", state: "done", message: "no Docker answers" });
    return true;
  }
  await step(deps.report, "remove sandboxes and images", async () => {
    await removeDockerContents(cli, (await listDockerContents(cli)).ours);
    for (const image of journal.pulledImages)
      await docker(cli, ["image", "rm", image], { timeoutMs: 120_000, okExitCodes: [1] });
  });
  const { others } = await listDockerContents(cli);
  const isEmpty = Object.values(others).every((names) => names.length === 0);
  if (isEmpty)
    await addToJournal(deps.paths.journalFile, (current) => {
      current.isDockerEmptied = true;
    });
  return isEmpty;
}

function unanswered({ problem, message }: { problem: string; message: string }): LabError {
  if (problem === "forbidden")
    return new LabError("forbidden", `Docker refuses this user, so nobody knows what it holds: ${message}`, {
      hint: "run it as root (`sudo npx footbridge uninstall`), or as a user in the group `docker`",
    });
  return new LabError("docker_unavailable", "Docker does not answer, so nobody knows whether others use it", {
    hint: "start it (`sudo systemctl start docker`, or `npm start`), then uninstall again",
  });
}

async function stopOurDaemon(deps: UninstallDeps, journal: Journal): Promise<void> {
  const { dockerdPid } = journal;
  if (dockerdPid === undefined) return;
  await step(deps.report, "stop Docker", async () => {
    await stopDaemon(dockerdPid);
    await addToJournal(deps.paths.journalFile, (current) => {
      current.dockerdPid = undefined;
    });
  });
}

async function takeBackFiles(deps: UninstallDeps, journal: Journal): Promise<void> {
  const { ociShim, daemonJson } = deps.paths;
  const files = journal.files.filter((file) => existsSync(file));
  const changed = journal.changed.filter(({ backup }) => existsSync(backup));
  if (files.length + changed.length === 0) return;
  await step(deps.report, "take files back", async () => {
    const root = await becomeRoot(`remove ${files.join(", ")} yourself`);
    const timeoutMs = 30_000;
    for (const { file, backup } of changed) await runAsRoot(root, ["mv", "-f", backup, file], { timeoutMs });
    for (const file of files) await runAsRoot(root, ["rm", "-f", file], { timeoutMs });
    // The folder is ours as well, and goes once it is empty.
    await runAsRoot(root, ["rmdir", "--ignore-fail-on-non-empty", dirname(ociShim)], {
      timeoutMs,
      okExitCodes: [1],
    });
    const touchedDaemon = [...files, ...changed.map(({ file }) => file)].includes(daemonJson);
    if (touchedDaemon && isSystemdHost(deps.paths))
      await runAsRoot(root, ["systemctl", "restart", "docker"], { timeoutMs: 120_000, okExitCodes: [1, 5] });
  });
}

async function removePackages(deps: UninstallDeps, journal: Journal): Promise<void> {
  const present = await installedPackages();
  const packages = journal.packages.filter((name) => present.has(name));
  if (packages.length === 0) return;
  const root = await becomeRoot(`run as root: apt-get purge ${packages.join(" ")}`);
  await mendPackages(deps, root);
  const plan = async (names: readonly string[]) =>
    packagesIn((await askApt(deps, root, ["purge", "--simulate", ...names])).stdout);
  const removable = await findRemovable(packages, plan);
  const needed = packages.filter((name) => !removable.includes(name));
  if (needed.length > 0)
    deps.report({ step: "leave packages", state: "done", message: `others need them: ${needed.join(", ")}` });
  if (removable.length === 0) return;
  if (journal.installedDocker && removable.includes("docker.io"))
    await step(deps.report, "remove Docker's networks", async () => {
      if (isSystemdHost(deps.paths))
        await runAsRoot(root, ["systemctl", "stop", "docker.socket", "docker"], { timeoutMs: 120_000 });
      // No reason to keep Docker: without it a restart of the host is all it takes.
      await removeDockerNetworks(root, removable.includes("iptables")).catch((error: unknown) => {
        const message = `a restart of the host clears them: ${toLabError(error).message}`;
        deps.report({ step: "leave firewall rules of Docker", state: "done", message });
      });
    });
  await step(deps.report, `remove ${removable.join(", ")}`, async () => {
    await changePackages(deps, root, ["purge", "-y", ...removable], (message) =>
      deps.report({ step: "remove packages", state: "progress", message }),
    );
    if (!journal.installedDocker || isDockerThere(await installedPackages())) return;
    // A folder that is a file system of its own is emptied, and stays.
    const remove = ["rm", "-rf", "--one-file-system", ...dockerDataDirs] as const;
    await runAsRoot(root, remove, { timeoutMs: 10 * 60_000, okExitCodes: [1] });
  });
}

function isDockerThere(packages: ReadonlySet<string>): boolean {
  return ["docker.io", "docker-ce", "containerd", "containerd.io"].some((name) => packages.has(name));
}
