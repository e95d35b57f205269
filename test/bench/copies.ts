import { randomBytes } from "node:crypto";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import { ensureTemplate, removeTemplates } from "../../sandboxes/machine/machine-template.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { createSandboxNetwork } from "../../sandboxes/network/subnets.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { openRealStack } from "../support/real-stack.ts";
import type { Figures } from "./figures.ts";

const COPIES = 30;
const RANGE = { range: "10.211.96.0/20", piecePrefix: 28 };

/** VMs as copies of a template, one after the other, each removed before the next. */
export async function measureCopies(figures: Figures): Promise<void> {
  await figures.measure(["fork_to_running", "fork_to_vm_prompt"], async () => {
    await using real = await openRealStack();
    const { engine } = real.stack;
    const { id: installation, sshPrivateKey: privateKey, sshPublicKey: authorizedKey } = real.installation;
    const { accelerator, hardware } = real.stack.settings;
    const signal = AbortSignal.timeout(1_800_000);
    const labels = { [LABELS.installation]: installation };
    const common = { image: real.images.machine, accelerator, hardware, authorizedKey };
    const { volume } = await ensureTemplate({ engine, privateKey }, { ...common, labels }, () => {}, signal);
    await using driver = new QemuDriver({ engine, privateKey });
    const running: number[] = [];
    const prompt: number[] = [];
    for (let count = 0; count < COPIES; count += 1) {
      const sandboxId = `b${randomBytes(3).toString("hex")}`;
      const own = { ...labels, [LABELS.sandbox]: sandboxId };
      const request = { ...RANGE, sandboxId, installation, egress: false, labels: own };
      const network = await createSandboxNetwork({ engine }, request);
      let machine: Machine | undefined;
      try {
        const begun = performance.now();
        const onStep = ({ step, state }: ProgressEvent) => {
          if (step === "start VM" && state === "done") running.push(performance.now() - begun);
        };
        const spec = { ...common, sandboxId, network: network.name, labels: own, template: volume };
        machine = await driver.create(spec, onStep, signal);
        await machine.place.exec(["true"], { timeoutMs: 60_000, user: "admin" });
        prompt.push(performance.now() - begun);
      } finally {
        await machine?.destroy();
        await engine.removeNetwork(network.name);
      }
    }
    await removeTemplates(engine, installation);
    return [
      { name: "fork_to_running", unit: "ms", samples: running },
      { name: "fork_to_vm_prompt", unit: "ms", samples: prompt },
    ];
  });
}
