import { KubernetesObjectApi, loadAllYaml, PatchStrategy } from "@kubernetes/client-node";
import { loadKubeconfig, withDeadline } from "../../sandboxes/cluster/cluster-api.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { unlessAborted } from "../../sandboxes/waiting.ts";
import type { Setup } from "../labs/lab.ts";
import type { PrepareLab } from "./task-watcher.ts";
import { firstLine } from "./words.ts";

const SCRIPT_MS = 180_000;
/** For one object; an emulated cluster takes up to 15 s for each call. */
const APPLY_MS = 60_000;

/** See `PrepareLab` for what it promises. */
export const prepareLab: PrepareLab = async (lab, sandbox, world, signal) => {
  for (const setup of lab.setup.filter((one) => one.on === world)) {
    signal.throwIfAborted();
    if (setup.on === "vm") await setUpVm(sandbox, setup, signal);
    else await setUpCluster(sandbox, setup, signal);
  }
};

async function setUpVm(sandbox: Sandbox, setup: Setup & { on: "vm" }, signal: AbortSignal): Promise<void> {
  const machine = sandbox.machine();
  if (!machine) throw new LabError("machine_failed", "the VM is gone", { hint: "reset the lab" });
  const { exitCode, stdout, stderr } = await machine.place.exec(
    ["/usr/bin/env", "-i", "/bin/sh", "-eu", "-s"],
    {
      user: "root",
      input: `export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n${setup.script}`,
      timeoutMs: SCRIPT_MS,
      signal,
    },
  );
  if (exitCode === 0) return;
  const last = (stderr || stdout).trim().split("\n").slice(-5).join("\n");
  throw new LabError("check_errored", `\`${setup.name}\` ended with ${exitCode} in the VM: ${last}`, {
    hint: "reset the lab; if it happens again, the lab's set-up needs mending",
  });
}

async function setUpCluster(
  sandbox: Sandbox,
  setup: Setup & { on: "cluster" },
  signal: AbortSignal,
): Promise<void> {
  const cluster = sandbox.cluster();
  if (!cluster) throw new LabError("cluster_failed", "the cluster is gone", { hint: "reset the lab" });
  const config = loadKubeconfig(await cluster.kubeconfig("admin"), APPLY_MS);
  const client = KubernetesObjectApi.makeApiClient(config);
  for (const object of loadAllYaml(setup.manifests)) {
    if (!object) continue;
    signal.throwIfAborted();
    try {
      const applied = client.patch(
        object,
        undefined,
        undefined,
        "footbridge",
        true,
        PatchStrategy.ServerSideApply,
      );
      await unlessAborted(withDeadline(APPLY_MS, applied), signal);
    } catch (cause) {
      signal.throwIfAborted();
      const what = `${object.kind} \`${object.metadata?.name}\``;
      throw new LabError(
        "check_errored",
        `\`${setup.name}\`: ${what} could not be applied: ${firstLine(String(cause instanceof Error ? cause.message : cause))}`,
        { cause, hint: "reset the lab; if it happens again, the lab's set-up needs mending" },
      );
    }
  }
}
