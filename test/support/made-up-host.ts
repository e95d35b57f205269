import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { type HostPaths, hostPaths } from "../../sandboxes/host/docker-paths.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { type StandInCommands, standInCommands } from "./stand-in-commands.ts";

export interface MadeUpHost extends StandInCommands {
  /** All in a folder of the test's own; systemd runs this host. */
  paths: HostPaths;
  env: NodeJS.ProcessEnv;
  steps: string[];
  report(event: ProgressEvent): void;
  write(file: string, text: string): Promise<void>;
  /** What the file says; undefined where it is not there. */
  read(file: string): Promise<string | undefined>;
}

const hostCommands = [
  ...["apt-get", "dpkg", "dpkg-query", "systemctl", "dockerd"],
  ...["ip", "iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"],
];

/**
 * A host whose files are in a folder of their own and whose package manager, systemd and Docker are stand-ins: no
 * daemon runs, and nothing is answered until they are told what. `sudo` only runs what it is given.
 */
export async function madeUpHost(): Promise<MadeUpHost> {
  const commands = await standInCommands();
  const { folder, put } = commands;
  for (const name of hostCommands) await put(name, "");
  await put("docker", "echo no daemon >&2; exit 1");
  await put("sudo", 'while case "$1" in -*) true ;; *) false ;; esac; do shift; done; "$@"');
  vi.stubEnv("PATH", commands.path);
  onTestFinished(() => void vi.unstubAllEnvs());
  const paths: HostPaths = {
    ...hostPaths({ HOME: folder }),
    ociShim: join(folder, "lib/footbridge/oci-runtime"),
    daemonJson: join(folder, "etc/docker/daemon.json"),
    osRelease: join(folder, "etc/os-release"),
    systemd: join(folder, "run/systemd"),
  };
  const write = async (file: string, text: string) => {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  };
  await mkdir(paths.systemd, { recursive: true });
  await write(paths.osRelease, 'ID=debian\nVERSION_ID="13"\n');
  const steps: string[] = [];
  return {
    ...commands,
    paths,
    env: { PATH: commands.path },
    steps,
    report: ({ step, state }) => void (state === "progress" || steps.push(`${step}: ${state}`)),
    write,
    read: (file) => readFile(file, "utf8").catch(() => undefined),
  };
}
