import type { Settings } from "./settings.ts";

const LOCAL_DOCKER = "unix:///var/run/docker.sock";

/** The Docker endpoint of this host's sandboxes: the setting, else the environment's as for `docker`, else the local one. */
export function dockerHostOf({ dockerHost }: Pick<Settings, "dockerHost">, env: NodeJS.ProcessEnv): string {
  return dockerHost ?? (env.DOCKER_HOST || LOCAL_DOCKER);
}

/** Whether containers there share memory and disk with this process; what is behind TCP or SSH counts as elsewhere. */
export function isThisHost(dockerHost: string): boolean {
  return dockerHost.startsWith("unix:");
}
