import { LabError } from "../errors.ts";
import { type Report, step } from "../progress.ts";
import { run } from "../run.ts";
import { dockerByHand } from "./docker-by-hand.ts";
import { configureShim, installShim, shimRuntime, startDaemon, waitForDocker } from "./docker-daemon.ts";
import { dockerPackages, installPackages } from "./docker-install.ts";
import { addToJournal, readJournal } from "./docker-journal.ts";
import type { HostPaths } from "./docker-paths.ts";
import {
  type DockerEngineInfo,
  debianRelease,
  hasSysResource,
  isSystemdHost,
  needsOciShim,
  notAllowed,
  probeDocker,
} from "./docker-probe.ts";

export interface DockerHostDeps {
  paths: HostPaths;
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Makes sure that a Docker Engine answers in which privileged containers work, as kind's nodes need. Where there is
 * none it is installed from Debian's packages and started; every change is announced before it is made and noted in
 * the journal. Calling it again changes nothing.
 * @param options.consent whether the `daemon.json` of a Docker that did not come with us may be written, and that
 *   Docker restarted.
 * @throws LabError `docker_unavailable`, `not_supported` or `forbidden`, with the exact next step in the hint.
 */
export async function ensureDockerHost(
  deps: DockerHostDeps,
  options: { consent: boolean },
): Promise<DockerEngineInfo> {
  const { journalFile } = deps.paths;
  // From here on it is filled again, whatever an uninstall that did not finish has seen.
  if ((await readJournal(journalFile)).isDockerEmptied)
    await addToJournal(journalFile, (journal) => {
      journal.isDockerEmptied = false;
    });
  const found = await probeDocker(deps.env, deps.signal);
  if (!("problem" in found)) return await withWorkingPrivileges(deps, found, options);
  if (found.problem === "forbidden") throw notAllowed();
  if (deps.env.DOCKER_HOST)
    throw new LabError("docker_unavailable", `no Docker Engine answers at DOCKER_HOST: ${found.message}`, {
      hint: "start it, or unset DOCKER_HOST to use this host's own",
    });
  return await installAndStart(deps, options);
}

async function installAndStart(
  deps: DockerHostDeps,
  options: { consent: boolean },
): Promise<DockerEngineInfo> {
  if (!(await hasDaemon())) {
    if (((await debianRelease(deps.paths)) ?? 0) < 12) throw await noDocker(deps);
    await installPackages(deps, await dockerPackages(deps.paths), "Docker", (journal) => {
      journal.installedDocker = true;
    });
  }
  const version = await daemonVersion(deps);
  const shim = needsOciShim(version, await hasSysResource());
  const name = "start Docker";
  deps.report({
    step: name,
    state: "started",
    message: isSystemdHost(deps.paths)
      ? "with systemctl"
      : `as a background process, log in ${deps.paths.dockerdLog}`,
  });
  if (shim) await installShim(deps);
  const info = await startDaemon(deps, { shim });
  deps.report({ step: name, state: "done", message: `Docker ${info.version}` });
  return await withWorkingPrivileges(deps, info, options);
}

async function noDocker({ paths }: DockerHostDeps): Promise<LabError> {
  return new LabError("not_supported", "there is no Docker Engine, and this is not Debian 12 or 13", {
    hint: await dockerByHand(paths),
  });
}

async function withWorkingPrivileges(
  deps: DockerHostDeps,
  info: DockerEngineInfo,
  options: { consent: boolean },
): Promise<DockerEngineInfo> {
  if (info.rootless)
    throw new LabError(
      "docker_unavailable",
      "this Docker runs rootless, where neither kind nor a TAP device works",
      {
        hint: "use a Docker Engine that runs as root: unset DOCKER_HOST, or `docker context use default`",
      },
    );
  // Only the daemon's own host knows its bounding set; a remote one is taken as it is.
  const isLocal = !deps.env.DOCKER_HOST || deps.env.DOCKER_HOST.startsWith("unix://");
  const shim = isLocal && needsOciShim(info.version, await hasSysResource());
  if (!shim || info.defaultRuntime === shimRuntime) return info;
  return await step(deps.report, `make privileged containers work, by ${deps.paths.daemonJson}`, async () => {
    await installShim(deps);
    await configureShim(deps, options);
    return await waitForDocker(deps);
  });
}

async function hasDaemon(): Promise<boolean> {
  try {
    await run(["dockerd", "--version"], { timeoutMs: 20_000 });
    await run(["docker", "--version"], { timeoutMs: 20_000 });
    return true;
  } catch (error) {
    if (error instanceof LabError && error.message.startsWith("could not start")) return false;
    throw error;
  }
}

async function daemonVersion(deps: DockerHostDeps): Promise<string> {
  const { stdout } = await run(["dockerd", "--version"], { timeoutMs: 20_000, signal: deps.signal });
  const version = /version (\d[^\s,]*)/.exec(stdout)?.[1];
  if (!version) throw new LabError("docker_unavailable", `\`dockerd --version\` answered \`${stdout}\``);
  return version;
}
