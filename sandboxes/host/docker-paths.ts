import { homedir } from "node:os";
import { join } from "node:path";

/** The places on the host that matter outside Docker and its own checkout. */
export interface HostPaths {
  /** What must survive: the journal, logs, keys. */
  stateDir: string;
  /** What can be made again: binaries taken out of built images. */
  cacheDir: string;
  journalFile: string;
  dockerdLog: string;
  /** Belongs to root, so that nobody else can change what the Docker daemon runs. */
  ociShim: string;
  daemonJson: string;
  /** Says which Linux this is; never written to. */
  osRelease: string;
  /** Is there where systemd runs the host, as sd_booted(3) finds out. */
  systemd: string;
}

/** The paths by the XDG base directory rules, from the given environment, unless `folders` names others. */
export function hostPaths(
  env: NodeJS.ProcessEnv,
  folders: Partial<Pick<HostPaths, "stateDir" | "cacheDir">> = {},
): HostPaths {
  const home = env.HOME ?? homedir();
  const {
    stateDir = join(env.XDG_STATE_HOME || join(home, ".local/state"), "footbridge"),
    cacheDir = join(env.XDG_CACHE_HOME || join(home, ".cache"), "footbridge"),
  } = folders;
  return {
    stateDir,
    cacheDir,
    journalFile: join(stateDir, "host-journal.json"),
    dockerdLog: join(stateDir, "dockerd.log"),
    ociShim: "/usr/local/lib/footbridge/oci-runtime",
    daemonJson: "/etc/docker/daemon.json",
    osRelease: "/etc/os-release",
    systemd: "/run/systemd/system",
  };
}
