import { spawn } from "node:child_process";
import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../errors.ts";
import type { BuildEnvironment } from "./build-environment.ts";
import { docker, removeContainer } from "./docker-command.ts";

const caches = {
  apt: "footbridge-cache-apt",
  "go-mod": "footbridge-cache-go-mod",
  "go-build": "footbridge-cache-go-build",
};

/** Where the build finds the authorities that this host trusts. */
const certificatesInside = "/run/footbridge-certificates.pem";

export interface BuildContainerSpec {
  /** Unique per image and key: the name is the lock between processes that build the same. */
  name: string;
  builderTag: string;
  settings: Record<string, string>;
  environment: BuildEnvironment;
  dockerEnv: Record<string, string>;
  /** What to copy in: `[path on this host, path inside]`; a folder becomes the path itself. */
  copies: readonly (readonly [string, string])[];
  signal?: AbortSignal | undefined;
}

/**
 * A builder container that lives as long as its owner: its only process waits for the end of its input, so it goes
 * away even when the owner is killed, and takes the half-made build with it.
 */
export interface BuildContainer extends AsyncDisposable {
  /** Runs one command inside, each line of its output given to `onLine`. */
  exec(
    argv: readonly string[],
    options: { timeoutMs: number; onLine?: (line: string) => void },
  ): Promise<void>;
}

/**
 * Starts a builder container, or tells that another process holds the lock.
 * @returns undefined while somebody else builds the same.
 */
export async function startBuildContainer(spec: BuildContainerSpec): Promise<BuildContainer | undefined> {
  const { variables, certificates, secrets } = spec.environment;
  const cli = { env: { ...spec.dockerEnv, ...variables } };
  const options = { timeoutMs: 120_000, secrets, signal: spec.signal };
  for (const volume of Object.values(caches))
    await docker(cli, ["volume", "create", "--label", "footbridge=cache", volume], options);
  const certificateNames = certificates ? ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"] : [];
  const env = [
    ...Object.keys(variables).flatMap((name) => ["--env", name]),
    ...Object.entries(spec.settings).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...certificateNames.flatMap((name) => ["--env", `${name}=${certificatesInside}`]),
    ...["--env", "GOMODCACHE=/cache/go-mod", "--env", "GOCACHE=/cache/go-build", "--env", "HOME=/root"],
    ...["--env", "GOFLAGS=-buildvcs=false -trimpath", "--env", "LC_ALL=C.UTF-8"],
  ];
  const volumes = Object.entries(caches).flatMap(([path, volume]) => [
    "--volume",
    `${volume}:/cache/${path}`,
  ]);
  const flags = [
    "--interactive",
    "--rm",
    "--init",
    "--privileged",
    "--network",
    "host",
    "--label",
    "footbridge=build",
  ];
  const scratch = ["--volume", "/work", "--volume", "/out", "--workdir", "/work"];
  const create = [
    "create",
    "--name",
    spec.name,
    ...flags,
    ...scratch,
    ...volumes,
    ...env,
    spec.builderTag,
    "cat",
  ];
  try {
    // Docker goes on with what it was asked for, whoever still listens: cut off here, it would leave a container that
    // looks like another process's build.
    await docker(cli, create, { timeoutMs: options.timeoutMs, secrets, isSheltered: true });
  } catch (error) {
    if (!(error instanceof LabError) || !error.message.includes("is already in use")) throw error;
    await removeIfStale(spec);
    return undefined;
  }
  const remove = () => removeContainer({ env: spec.dockerEnv }, spec.name);
  try {
    if (certificates)
      await docker(cli, ["cp", "-L", certificates, `${spec.name}:${certificatesInside}`], options);
    // Docker closes the container's input when this process ends, however it ends.
    const holder = spawn("docker", ["start", "--attach", "--interactive", spec.name], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, ...spec.dockerEnv },
    });
    holder.on("error", () => {});
    await waitUntilRunning(spec);
    for (const [from, to] of spec.copies) {
      await docker(cli, ["exec", spec.name, "mkdir", "-p", posix.dirname(to)], options);
      await docker(cli, ["cp", "-L", from, `${spec.name}:${to}`], { ...options, timeoutMs: 600_000 });
    }
    return {
      async exec(argv, { timeoutMs, onLine }) {
        const more = { timeoutMs, signal: spec.signal, secrets, ...(onLine ? { onLine } : {}) };
        await docker({ env: spec.dockerEnv }, ["exec", spec.name, ...argv], more);
      },
      async [Symbol.asyncDispose]() {
        holder.stdin.destroy();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function waitUntilRunning(spec: BuildContainerSpec): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const inspect = ["container", "inspect", "--format", "{{.State.Running}}", spec.name];
    const { stdout } = await docker({ env: spec.dockerEnv }, inspect, {
      timeoutMs: 30_000,
      okExitCodes: [1],
    });
    if (stdout.trim() === "true") return;
    if (Date.now() > deadline)
      throw new LabError("image_failed", `the builder \`${spec.name}\` did not start`);
    await delay(100, undefined, spec.signal ? { signal: spec.signal } : {});
  }
}

// An owner that was killed between creating and starting leaves a container that never ran and never will.
async function removeIfStale(spec: BuildContainerSpec): Promise<void> {
  const cli = { env: spec.dockerEnv };
  const inspect = ["container", "inspect", "--format", "{{.State.Status}} {{.Created}}", spec.name];
  const { stdout } = await docker(cli, inspect, { timeoutMs: 30_000, okExitCodes: [1] });
  const [status, created] = stdout.trim().split(" ");
  const ageMs = Date.now() - Date.parse(created ?? "");
  if ((status === "created" || status === "exited") && ageMs > 15 * 60_000)
    await removeContainer(cli, spec.name);
}
