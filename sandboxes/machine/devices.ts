import { readFile } from "node:fs/promises";
import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { LABELS } from "../sandbox.ts";
import type { Accelerator } from "./machine.ts";
import { machineContainer, setupContainer } from "./names.ts";

/**
 * Makes the guest's network in the machine's network namespace and hands the devices to its supervisor. It takes root
 * and NET_ADMIN, which the machine's own container never has; so a container of a second does it. Needed after every
 * start of the machine's container, whose namespace is new each time.
 * @throws LabError `machine_failed`, `not_found` where the host has no such device.
 */
export async function plugIn(deps: {
  engine: Engine;
  sandboxId: string;
  image: string;
  accelerator: Accelerator;
  labels: Record<string, string>;
}): Promise<void> {
  const { engine, sandboxId } = deps;
  const name = setupContainer(sandboxId);
  const isKvm = deps.accelerator === "kvm";
  const script = await readFile(new URL("./plug-in.py", import.meta.url), "utf8");
  // One left by a server that died is in the way.
  await engine.removeContainer(name);
  await engine.runContainer({
    name,
    image: deps.image,
    entrypoint: ["sleep", "60"],
    labels: { ...deps.labels, [LABELS.part]: "setup" },
    network: { name: "none" },
    joinNetworkOf: machineContainer(sandboxId),
    user: "0:0",
    capabilities: ["NET_ADMIN"],
    devices: ["/dev/net/tun", ...(isKvm ? ["/dev/kvm"] : [])],
    limits: { memoryMib: 128, pids: 64 },
  });
  try {
    const argv = ["python3", "-c", script, ...(isKvm ? ["kvm"] : [])];
    const { exitCode, stderr } = await engine.exec(name, argv, { timeoutMs: 30_000 });
    if (exitCode !== 0)
      throw new LabError("machine_failed", `could not set up the machine's network: ${stderr.trim()}`, {
        hint: "the host needs /dev/net/tun and nftables: `modprobe tun nf_tables`",
      });
  } finally {
    await engine.removeContainer(name);
  }
}
