import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ImageSet } from "../../sandboxes/images/image-set.ts";
import { removeTemplates } from "../../sandboxes/machine/machine-template.ts";
import { removeFirewall } from "../../sandboxes/network/firewall.ts";
import type { Sandbox, SandboxInspection } from "../../sandboxes/sandbox.ts";
import { setUpHost } from "../../server/cli/set-up.ts";
import { type Installation, loadInstallation } from "../../server/installation.ts";
import { loadSettings } from "../../server/load-settings.ts";
import { createSandboxStack, type SandboxStack } from "../../server/sandbox-stack.ts";
import type { Settings } from "../../server/settings.ts";
import { adoptKeys, sharedTemplate } from "./shared-template.ts";

export interface RealStack extends AsyncDisposable {
  stack: SandboxStack;
  installation: Installation;
  images: ImageSet;
  settings: Settings;
  /** Claims a sandbox and waits until it is ready; throws with the failure's words where it is not. */
  claimReady(timeoutMs?: number): Promise<Sandbox>;
}

/** A bring-up under emulation beside other work; real figures are in docs/benchmarks.md. */
const BRING_UP_MS = 480_000;

/**
 * The product's own sandbox side on real Docker, QEMU and kind, as an installation of its own; disposing of it
 * destroys every sandbox it made. Its VMs boot, unless `vmTemplate` has them be copies of the template that tests share.
 */
export async function openRealStack(change: Partial<Settings> = {}): Promise<RealStack> {
  const defaults = await loadSettings(process.env);
  const stateDir = await mkdtemp(join(tmpdir(), "footbridge-test-"));
  const settings: Settings = { ...defaults, poolSize: 0, vmTemplate: false, ...change };
  const { images, usesKvm } = await setUpHost({
    settings,
    env: process.env,
    report: (event) => event.state === "started" && process.stderr.write(`set-up: ${event.step}\n`),
    mayChangeDocker: false,
    signal: AbortSignal.timeout(3_600_000),
  });
  if (settings.vmTemplate) await adoptKeys(stateDir, await sharedTemplate());
  const installation = await loadInstallation(stateDir);
  const stack = await createSandboxStack({
    settings,
    installation,
    images,
    usesKvm,
    env: process.env,
    onTrouble: (error, sandboxId) => process.stderr.write(`sandbox ${sandboxId}: ${error}\n`),
  });
  await stack.templateSettled;
  await stack.service.recover(new Set());
  return {
    stack,
    installation,
    images,
    settings,
    async claimReady(timeoutMs = BRING_UP_MS) {
      const sandbox = await stack.service.claim();
      await untilPhase(sandbox, "ready", timeoutMs);
      return sandbox;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(stack.service.list().map((one) => stack.service.destroy(one.id)));
      // Whoever keeps the firewall in place goes first.
      await stack[Symbol.asyncDispose]();
      await removeTemplates(stack.engine, installation.id);
      await removeFirewall({ engine: stack.engine, image: images.machine }, installation.id);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/**
 * Waits for a phase by the sandbox's own change events. Of a cluster's API that answers again nobody tells, so it also
 * looks each second.
 */
export async function untilPhase(
  sandbox: Sandbox,
  phase: SandboxInspection["phase"],
  timeoutMs: number,
): Promise<SandboxInspection> {
  const deadline = AbortSignal.timeout(timeoutMs);
  for (;;) {
    const done = new AbortController();
    const changed = new Promise<void>((resolve, reject) => {
      sandbox.onChange(resolve, done.signal);
      deadline.addEventListener("abort", () => reject(deadline.reason), { once: true, signal: done.signal });
    });
    const seen = await sandbox.inspect();
    if (seen.phase === phase) {
      done.abort();
      return seen;
    }
    if (seen.phase === "failed")
      throw new Error(`the sandbox failed: ${seen.failure?.message} (hint: ${seen.failure?.hint})`);
    await Promise.race([changed, delay(1_000)]).catch(() => {
      const steps = seen.steps.map((one) => `${one.step} ${one.state}`).join(", ");
      throw new Error(`the sandbox is ${seen.phase}, not ${phase}, after ${timeoutMs / 1000} s: ${steps}`);
    });
    done.abort();
  }
}
