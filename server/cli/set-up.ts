import { ensureDockerHost } from "../../sandboxes/host/docker-host.ts";
import { probeKvm } from "../../sandboxes/host/kvm-probe.ts";
import { ensureImages, type ImageSet } from "../../sandboxes/images/image-set.ts";
import { type Report, step } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";
import type { Settings } from "../settings.ts";
import { labHost, openEngine } from "./lab-host.ts";
import { clientDir, labsDir, pageBuilder } from "./places.ts";

export interface SetUpOptions {
  settings: Settings;
  env: NodeJS.ProcessEnv;
  report: Report;
  /** Whether an existing Docker's `daemon.json` may be written, and that Docker restarted. */
  mayChangeDocker: boolean;
  signal: AbortSignal;
}

export interface SetUpResult {
  images: ImageSet;
  usesKvm: boolean;
}

const PAGE_BUILD_MS = 300_000;

/**
 * Brings this host to where sandboxes can be made: Docker, images, the KVM verdict, the page. Each part does nothing
 * where it is in place, and goes on where an interruption left it.
 */
export async function setUpHost(options: SetUpOptions): Promise<SetUpResult> {
  const { settings, report, signal } = options;
  const { env, paths } = labHost(settings, options.env);
  await ensureDockerHost({ paths, env, report, signal }, { consent: options.mayChangeDocker });
  const images = await ensureImages({ env, paths, report, signal }, { labsDir, registry: settings.registry });
  // In a process of its own, which takes the bundler's memory with it.
  const build = [process.execPath, pageBuilder, clientDir] as const;
  await step(report, "build page", () => run(build, { timeoutMs: PAGE_BUILD_MS, signal }));
  await using engine = openEngine(settings, env);
  const { stateDir } = settings;
  const usesKvm =
    settings.accelerator !== "tcg" && (await probeKvm({ engine, image: images.machine, stateDir })).usable;
  return { images, usesKvm };
}
