import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { PATHS, TEMPLATE } from "./names.ts";
import { visitQmp } from "./qmp.ts";

interface QemuDeps {
  engine: Engine;
  container: string;
}

const TIMEOUT_MS = 120_000;
const LOOK_EVERY_MS = 20;
/** The memory is in its file already; only the rest is written and read. */
const DEVICES_ONLY = { capabilities: [{ capability: "x-ignore-shared", state: true }] };

/** Saves a template's devices and leaves it stopped. */
export async function saveState(deps: QemuDeps, signal: AbortSignal): Promise<void> {
  await moveState(deps, "migrate", `file:${PATHS.state}`, signal);
}

/** Loads a template's devices into a copy that waits for them; it runs at once. A QEMU that can't load them ends. */
export async function loadState(deps: QemuDeps, signal: AbortSignal): Promise<void> {
  await moveState(deps, "migrate-incoming", `file:${TEMPLATE.state}`, signal);
}

async function moveState(
  deps: QemuDeps,
  command: "migrate" | "migrate-incoming",
  uri: string,
  signal: AbortSignal,
): Promise<void> {
  await visitQmp(
    deps,
    command,
    async (ask) => {
      await ask("migrate-set-capabilities", DEVICES_ONLY);
      await ask(command, { uri });
      for (;;) {
        const { status, "error-desc": why } = await ask("query-migrate");
        if (status === "completed") return;
        if (status === "failed") throw new LabError("machine_failed", why ?? "it failed");
        await delay(LOOK_EVERY_MS, undefined, { signal });
      }
    },
    { timeoutMs: TIMEOUT_MS },
  );
}
