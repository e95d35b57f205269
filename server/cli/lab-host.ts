import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { type HostPaths, hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { dockerHostOf } from "../docker-host.ts";
import type { Settings } from "../settings.ts";

/** Where the settings say that this host's things are. */
export interface LabHost {
  /** For `docker` commands: they talk to the settings' endpoint. */
  env: NodeJS.ProcessEnv;
  paths: HostPaths;
}

/** Every command finds Docker, state and caches by this, so that all of them look at the same ones. */
export function labHost(
  { dockerHost, stateDir, cacheDir }: Pick<Settings, "dockerHost" | "stateDir" | "cacheDir">,
  env: NodeJS.ProcessEnv,
): LabHost {
  return {
    env: dockerHost ? { ...env, DOCKER_HOST: dockerHost } : env,
    paths: hostPaths(env, { stateDir, cacheDir }),
  };
}

/** The engine at that endpoint. */
export function openEngine(settings: Pick<Settings, "dockerHost">, env: NodeJS.ProcessEnv): DockerEngine {
  return new DockerEngine({ dockerHost: dockerHostOf(settings, env) });
}
