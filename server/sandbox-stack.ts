import type { Duplex } from "node:stream";
import type { Cluster, ClusterSpec } from "../sandboxes/cluster/cluster.ts";
import { createKindDriver } from "../sandboxes/cluster/kind-driver.ts";
import { DockerEngine } from "../sandboxes/engine/docker-engine.ts";
import type { Engine } from "../sandboxes/engine/engine.ts";
import { LabError, toLabError } from "../sandboxes/errors.ts";
import type { ImageSet } from "../sandboxes/images/image-set.ts";
import type { Machine, MachineSpec } from "../sandboxes/machine/machine.ts";
import { removeTemplates, type TemplateReport } from "../sandboxes/machine/machine-template.ts";
import { QemuDriver } from "../sandboxes/machine/qemu-driver.ts";
import { TemplateKeeper } from "../sandboxes/machine/template-keeper.ts";
import { DEFAULT_RANGE } from "../sandboxes/network/cidr.ts";
import { FirewallKeeper } from "../sandboxes/network/firewall-keeper.ts";
import { createSandboxNetwork, networkName } from "../sandboxes/network/subnets.ts";
import { LABELS, type SandboxService } from "../sandboxes/sandbox.ts";
import { readAvailableMemoryMib, readFreeDiskMib } from "../sandboxes/service/capacity.ts";
import { createSandboxService } from "../sandboxes/service/sandbox-service.ts";
import type { SandboxSettings } from "../sandboxes/service/sandbox-settings.ts";
import { dockerHostOf, isThisHost } from "./docker-host.ts";
import type { Installation } from "./installation.ts";
import { sandboxSettings } from "./sandbox-settings.ts";
import type { Settings } from "./settings.ts";
import type { TerminalTarget } from "./terminal/terminal-hub.ts";

export interface SandboxStackOptions {
  settings: Settings;
  installation: Installation;
  images: ImageSet;
  usesKvm: boolean;
  /** Names the Docker endpoint where the settings don't. */
  env: NodeJS.ProcessEnv;
  /** Told what is made in the background: the template of the VMs. */
  report?: TemplateReport;
  /** Called for troubles nobody waits for. */
  onTrouble(error: LabError, sandboxId: string | undefined): void;
}

/** The sandbox side put together from settings: engine, drivers, network and the service that owns them. */
export interface SandboxStack extends AsyncDisposable {
  settings: SandboxSettings;
  engine: Engine;
  service: SandboxService;
  /** Resolves when the template of VMs is there, or could not be made. */
  templateSettled: Promise<void>;
  /** A TCP connection to a port of a sandbox's VM, or to a NodePort of its cluster. */
  connect(sandboxId: string, world: "vm" | "cluster", port: number): Promise<Duplex>;
  /** Where a sandbox's terminals are opened. */
  terminals(sandboxId: string): TerminalTarget | undefined;
}

/** Puts it together and keeps the firewall in place; `service.recover` is the caller's to call. */
export async function createSandboxStack(options: SandboxStackOptions): Promise<SandboxStack> {
  const { settings, installation, images } = options;
  const derived = sandboxSettings(settings, { id: installation.id, usesKvm: options.usesKvm });
  const dockerHost = dockerHostOf(settings, options.env);
  const range = { ...DEFAULT_RANGE, range: settings.networkRange };
  const engine = new DockerEngine({ dockerHost });
  const privateKey = installation.sshPrivateKey;
  const onTrouble = (error: LabError) => options.onTrouble(error, undefined);
  const firewall = await FirewallKeeper.start(
    { engine, image: images.machine, onTrouble },
    { ...range, installation: installation.id },
  );
  const templates = settings.vmTemplate
    ? new TemplateKeeper(
        {
          engine,
          privateKey,
          installation: installation.id,
          report: options.report ?? (() => {}),
          onTrouble,
        },
        {
          image: images.machine,
          accelerator: derived.accelerator,
          hardware: derived.hardware,
          authorizedKey: installation.sshPublicKey,
          labels: { [LABELS.installation]: installation.id },
        },
      )
    : undefined;
  if (!templates) removeTemplates(engine, installation.id).catch((error) => onTrouble(toLabError(error)));
  const machines = new QemuDriver({
    engine,
    privateKey,
    onSpoiltTemplate: (error, sandboxId) => {
      templates?.distrust();
      options.onTrouble(error, sandboxId);
    },
  });
  const labelsOf = (sandboxId: string) => ({
    [LABELS.sandbox]: sandboxId,
    [LABELS.installation]: installation.id,
    [LABELS.placement]: derived.placement,
  });
  const machineSpec = (sandboxId: string): MachineSpec => ({
    sandboxId,
    image: images.machine,
    network: networkName(sandboxId),
    accelerator: derived.accelerator,
    hardware: derived.hardware,
    authorizedKey: installation.sshPublicKey,
    labels: labelsOf(sandboxId),
    ...(templates?.volume ? { template: templates.volume } : {}),
  });
  const clusterSpec = async (sandboxId: string, machine: Machine | undefined): Promise<ClusterSpec> => ({
    sandboxId,
    placement: derived.placement,
    endpoint: { dockerHost, env: {}, network: networkName(sandboxId) },
    nodeImage: images.node.image,
    kindBinary: images.node.kindBinary,
    kubernetesVersion: images.node.kubernetesVersion,
    enforcesNetworkPolicy: images.node.enforcesNetworkPolicy,
    toolboxImage: images.toolbox,
    nodes: derived.nodes,
    limits: derived.nodeLimits,
    labels: labelsOf(sandboxId),
    ...(machine ? { machine } : {}),
  });

  const service = createSandboxService({
    settings: derived,
    engine,
    machines,
    clusters: createKindDriver({ engine, engineAt: (host) => new DockerEngine({ dockerHost: host }) }),
    networks: {
      create: async (sandboxId) => {
        const request = { sandboxId, installation: installation.id, egress: settings.egress };
        await createSandboxNetwork({ engine }, { ...range, ...request, labels: labelsOf(sandboxId) });
      },
      remove: (sandboxId) => engine.removeNetwork(networkName(sandboxId)),
    },
    machineSpec,
    clusterSpec,
    ...(isThisHost(dockerHost) ? { availableMemoryMib: () => readAvailableMemoryMib() } : {}),
    // Docker's folder is looked at, not asked for: Docker has no cheap answer.
    freeDiskMib: async (dataRoot) => (isThisHost(dockerHost) ? await readFreeDiskMib(dataRoot) : undefined),
    ...(templates ? { poolMayFill: templates.settled } : {}),
    onDockerBack: () => firewall.lookNow(),
    onTrouble: options.onTrouble,
  });
  return {
    settings: derived,
    engine,
    service,
    templateSettled: templates?.settled ?? Promise.resolve(),
    connect: async (sandboxId, world, port) =>
      await (world === "vm" ? machineOf(service, sandboxId) : clusterOf(service, sandboxId)).connect(port),
    terminals: (sandboxId) => {
      const sandbox = service.get(sandboxId);
      if (!sandbox) return undefined;
      return {
        place: (role) => (role === "vm" ? sandbox.machine() : sandbox.cluster())?.place,
        openConsole: async () => machineOf(service, sandboxId).openConsole(),
      };
    },
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await templates?.[Symbol.asyncDispose]();
      await firewall[Symbol.asyncDispose]();
      await machines[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

function machineOf(service: SandboxService, sandboxId: string): Machine {
  const machine = service.get(sandboxId)?.machine();
  if (machine) return machine;
  throw new LabError("not_found", `sandbox \`${sandboxId}\` has no VM yet`, { hint: "wait until it is up" });
}

function clusterOf(service: SandboxService, sandboxId: string): Cluster {
  const cluster = service.get(sandboxId)?.cluster();
  if (cluster) return cluster;
  throw new LabError("not_found", `sandbox \`${sandboxId}\` has no cluster yet`, {
    hint: "wait until it is up",
  });
}
