import { randomUUID } from "node:crypto";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { probeKvm } from "../../sandboxes/host/kvm-probe.ts";
import type { Accelerator, MachineSpec } from "../../sandboxes/machine/machine.ts";
import { networkName } from "../../sandboxes/network/subnets.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { loadSettings } from "../../server/load-settings.ts";
import { builtImage } from "./built-image.ts";
import { freeSubnet } from "./free-subnet.ts";

/**
 * Makes the network of a new sandbox, on a subnet nobody uses; `engine.removeNetwork` takes it away. Its bridge is not
 * named as a lab server's are, so no firewall concerns it.
 */
export async function makeTestNetwork(
  engine: Engine,
  installation = "test",
): Promise<Pick<MachineSpec, "sandboxId" | "network" | "labels">> {
  const sandboxId = `t${randomUUID().slice(0, 7)}`;
  const network = networkName(sandboxId);
  const labels = { [LABELS.sandbox]: sandboxId, [LABELS.installation]: installation };
  const subnet = await freeSubnet(engine);
  await engine.createNetwork({ name: network, subnet, labels, bridge: `br${sandboxId}` });
  return { sandboxId, network, labels };
}

/** What VMs of this host run on: KVM where it boots a kernel, as the set-up found. */
export async function acceleratorOf(engine: Engine, image: string): Promise<Accelerator> {
  const { stateDir } = await loadSettings(process.env);
  return (await probeKvm({ engine, image, stateDir })).usable ? "kvm" : "tcg";
}

/** What a small VM is made of, in a network that `makeTestNetwork` makes for it. */
export async function smallMachine(engine: Engine, authorizedKey: string): Promise<MachineSpec> {
  const image = await builtImage("machine");
  return {
    ...(await makeTestNetwork(engine)),
    image,
    accelerator: await acceleratorOf(engine, image),
    hardware: { cpus: 2, memoryMib: 1024, dataDiskGib: 4 },
    authorizedKey,
  };
}
