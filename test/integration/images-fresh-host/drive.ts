// Runs inside the fresh host: does one thing and prints what was reported and what came of it, as JSON.
import { ensureDockerHost } from "../../../sandboxes/host/docker-host.ts";
import { hostPaths } from "../../../sandboxes/host/docker-paths.ts";
import { uninstallFromHost } from "../../../sandboxes/host/docker-uninstall.ts";
import { createImageBuilder } from "../../../sandboxes/images/image-builder.ts";
import type { ProgressEvent } from "../../../sandboxes/progress.ts";

const events: ProgressEvent[] = [];
const report = (event: ProgressEvent) => event.state !== "progress" && events.push(event);
const deps = { paths: hostPaths(process.env), env: process.env, report };

const deeds: Record<string, () => Promise<unknown>> = {
  docker: () => ensureDockerHost(deps, { consent: false }),
  uninstall: () => uninstallFromHost(deps, { consent: false }),
  async build() {
    const builder = await createImageBuilder(deps);
    const output = { kind: "rootfs" } as const;
    return await builder.ensureImage({
      name: "hello",
      folder: "/hello",
      settings: {},
      output,
      timeoutMs: 300_000,
    });
  },
};
const result = await deeds[process.argv[2] ?? ""]?.();
process.stdout.write(
  `${JSON.stringify({ steps: events.map(({ step, state }) => `${step}: ${state}`), result })}\n`,
);
