import { onTestFinished } from "vitest";
import type { ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import type { MachineSpec } from "../../sandboxes/machine/machine.ts";
import { LABELS, type SandboxInspection, type SandboxService } from "../../sandboxes/sandbox.ts";
import { createSandboxService, type SandboxServiceDeps } from "../../sandboxes/service/sandbox-service.ts";
import type { SandboxSettings } from "../../sandboxes/service/sandbox-settings.ts";
import type { FakeHost } from "./fake-drivers.ts";
import { sandboxSettings } from "./sandbox-settings.ts";

/** The service on a host in memory, and what it told of; it ends with the test. */
export function serviceOn(
  host: FakeHost,
  change: Partial<SandboxSettings> = {},
  more: Partial<SandboxServiceDeps> = {},
) {
  const settings = { ...sandboxSettings, ...change };
  const troubles: string[] = [];
  const service = createSandboxService({
    settings,
    engine: host.engine,
    machines: host.machines,
    clusters: host.clusters,
    networks: host.networksOf(settings.installation),
    machineSpec: (sandboxId) =>
      ({
        sandboxId,
        accelerator: "tcg",
        hardware: settings.hardware,
        labels: { [LABELS.sandbox]: sandboxId, [LABELS.installation]: settings.installation },
      }) as unknown as MachineSpec,
    clusterSpec: async (sandboxId) => ({ sandboxId }) as unknown as ClusterSpec,
    freeDiskMib: async () => host.freeDiskMib,
    onTrouble: (error) => troubles.push(error.message),
    ...more,
  });
  onTestFinished(() => service[Symbol.asyncDispose]());
  return { service, troubles };
}

/** The phase a sandbox is in; undefined where there is none of this id. */
export async function phaseOf(
  service: SandboxService,
  id: string,
): Promise<SandboxInspection["phase"] | undefined> {
  return (await service.get(id)?.inspect())?.phase;
}
