import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { LabError } from "../errors.ts";
import { run } from "../run.ts";
import type { HostPaths } from "./docker-paths.ts";

const infoSchema = z.object({
  ServerVersion: z.string(),
  DefaultRuntime: z.string().default("runc"),
  Driver: z.string().default("unknown"),
  CgroupVersion: z.string().default("unknown"),
  SecurityOptions: z.array(z.string()).nullish(),
  OperatingSystem: z.string().default("unknown"),
  DockerRootDir: z.string().default("/var/lib/docker"),
});

/** A Docker Engine that answered. */
export interface DockerEngineInfo {
  version: string;
  defaultRuntime: string;
  storageDriver: string;
  cgroupVersion: string;
  operatingSystem: string;
  /** The folder of its data, on its own host. */
  dataRoot: string;
  rootless: boolean;
}

/**
 * Asks the engine that the `docker` command would talk to (DOCKER_HOST or the local socket).
 * @returns what it says of itself, or in `problem` why there is none.
 */
export async function probeDocker(
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<DockerEngineInfo | { problem: "no-cli" | "not-running" | "forbidden"; message: string }> {
  let stdout: string;
  try {
    const options = { timeoutMs: 20_000, signal, env: stringsOf(env) };
    ({ stdout } = await run(["docker", "info", "--format", "{{json .}}"], options));
  } catch (error) {
    if (!(error instanceof LabError) || error.code === "aborted") throw error;
    if (error.message.startsWith("could not start")) return { problem: "no-cli", message: error.message };
    const forbidden = /permission denied/i.test(error.message);
    return { problem: forbidden ? "forbidden" : "not-running", message: error.message };
  }
  // With no daemon the command may still exit with 0 and print the client's half.
  const parsed = infoSchema.safeParse(JSON.parse(stdout));
  if (!parsed.success || parsed.data.ServerVersion === "") {
    const serverErrors = /"ServerErrors":\[([^\]]*)\]/.exec(stdout)?.[1] ?? "no server answered";
    const forbidden = /permission denied/i.test(serverErrors);
    return { problem: forbidden ? "forbidden" : "not-running", message: serverErrors };
  }
  const info = parsed.data;
  return {
    version: info.ServerVersion,
    defaultRuntime: info.DefaultRuntime,
    storageDriver: info.Driver,
    cgroupVersion: info.CgroupVersion,
    operatingSystem: info.OperatingSystem,
    dataRoot: info.DockerRootDir,
    rootless: (info.SecurityOptions ?? []).some((option) => option.includes("name=rootless")),
  };
}

/** The words for a Docker that runs and refuses this user. */
export function notAllowed(): LabError {
  return new LabError("docker_unavailable", "Docker runs, but this user may not use it", {
    hint:
      "start as root (`sudo npm start`), or add the user to the group `docker` " +
      "(`sudo usermod -aG docker $USER`), sign in again and start again",
  });
}

// linux/capability.h
const capSysResource = 24n;

/** Whether processes of this host can ever hold CAP_SYS_RESOURCE; some hypervisors' guests can't. */
export async function hasSysResource(statusFile = "/proc/self/status"): Promise<boolean> {
  const match = /^CapBnd:\s*([0-9a-f]+)$/m.exec(await readFile(statusFile, "utf8"));
  if (!match?.[1]) return true;
  return ((BigInt(`0x${match[1]}`) >> capSysResource) & 1n) === 1n;
}

/**
 * Docker from 24 on asks only for the capabilities that exist; before, a privileged container fails without
 * CAP_SYS_RESOURCE. @param version such as `20.10.24+dfsg1`.
 */
export function needsOciShim(version: string, sysResource: boolean): boolean {
  const major = Number.parseInt(version, 10);
  return !sysResource && major < 24;
}

/** Whether systemd runs this host. */
export function isSystemdHost(paths: Pick<HostPaths, "systemd">): boolean {
  return existsSync(paths.systemd);
}

/** The Debian release (12, 13, …) of this host, or undefined where it isn't Debian. */
export async function debianRelease(paths: Pick<HostPaths, "osRelease">): Promise<number | undefined> {
  const text = await readFile(paths.osRelease, "utf8").catch(() => "");
  if (!/^ID=debian$/m.test(text)) return undefined;
  const version = /^VERSION_ID="?(\d+)"?$/m.exec(text)?.[1];
  return version ? Number(version) : undefined;
}

/** An environment without its undefined members. */
export function stringsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
