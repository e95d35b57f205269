import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { machineContainer } from "../../sandboxes/machine/names.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";
import { run } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { describeMachine } from "../contract/machine-contract.ts";
import { poll } from "../poll.ts";
import { smallMachine } from "../support/machine-spec.ts";

describeMachine("QemuDriver", async () => {
  const engine = new DockerEngine();
  const keys = makeSshKeys("test");
  const spec = await smallMachine(engine, keys.public);
  const container = machineContainer(spec.sandboxId);
  return {
    engine,
    container,
    makeDriver: () => new QemuDriver({ engine, privateKey: keys.private }),
    spec,
    killHypervisor: async (signal) => {
      const kill = ["pkill", `-${signal}`, "-f", "^qemu-system-x86_64"];
      // A machine that starts may not have one yet.
      const isKilled = async () => (await engine.exec(container, kill, { timeoutMs: 20_000 })).exitCode === 0;
      await poll(isKilled, "there is a hypervisor to kill");
    },
    hypervisorStatus: async () => {
      const show = ["sh", "-c", "cat /proc/$(pgrep -f ^qemu-system-x86_64)/status"];
      return (await engine.exec(container, show, { timeoutMs: 20_000 })).stdout;
    },
    leftovers: async () => {
      const filter = `label=${LABELS.sandbox}=${spec.sandboxId}`;
      const list = async (...argv: string[]) =>
        (await run(["docker", ...argv, "--filter", filter], { timeoutMs: 20_000 })).stdout.split("\n");
      const names = [
        ...(await list("ps", "-a", "--format", "{{.Names}}")),
        ...(await list("volume", "ls", "--format", "{{.Name}}")),
      ];
      return names.filter((name) => name !== "" && !name.endsWith("-neighbour"));
    },
    async [Symbol.asyncDispose]() {
      await engine.removeNetwork(spec.network);
      await engine[Symbol.asyncDispose]();
    },
  };
});
