import { createInterface } from "node:readline/promises";
import { LabError, toLabError } from "../../sandboxes/errors.ts";
import { probeDocker } from "../../sandboxes/host/docker-probe.ts";
import { uninstallFromHost } from "../../sandboxes/host/docker-uninstall.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";
import { removeFirewall } from "../../sandboxes/network/firewall.ts";
import { ofCommandLine, readInstallation } from "../installation.ts";
import { loadSettings } from "../load-settings.ts";
import type { Settings } from "../settings.ts";
import { type LabHost, labHost, openEngine } from "./lab-host.ts";
import { createProgressPrinter } from "./progress-printer.ts";

/** `footbridge uninstall`: asks once, then takes away everything that came with Footbridge but the checkout. */
export async function uninstall(options: { yes?: boolean; changeDocker?: boolean }): Promise<void> {
  const settings = await loadSettings(process.env);
  if (!options.yes && !(await isConfirmed()))
    throw new LabError("aborted", "nothing was taken away", { hint: "say `yes`, or use `--yes`" });
  const host = labHost(settings, process.env);
  await removeRules(settings, host);
  const deps = { ...host, report: createProgressPrinter(process.stdout) };
  await uninstallFromHost(deps, { consent: options.changeDocker ?? false });
  process.stdout.write("what is left is this checkout; remove its folder, and it is gone\n");
}

/** The firewall's rules are the host kernel's; taking them away needs the machine image, so it comes first. */
async function removeRules(settings: Settings, { env, paths }: LabHost): Promise<void> {
  const installation = await readInstallation(settings.stateDir);
  const images = await recallImageSet({ paths });
  if (!installation || !images || "problem" in (await probeDocker(env))) return;
  await using engine = openEngine(settings, env);
  for (const { id } of [installation, ofCommandLine(installation)])
    await removeFirewall({ engine, image: images.machine }, id).catch((error: unknown) => {
      process.stderr.write(`the firewall's rules stay until the next boot: ${toLabError(error)}\n`);
    });
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await ask.question(
      "This ends all sandboxes and removes images, learners' records and what was installed for Footbridge. Type yes: ",
    );
    return answer.trim() === "yes";
  } finally {
    ask.close();
  }
}
