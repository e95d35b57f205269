import { examineHost, type Finding } from "../../sandboxes/host/doctor.ts";
import { type KvmVerdict, probeKvm } from "../../sandboxes/host/kvm-probe.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";
import { sandboxMemoryMib } from "../../sandboxes/service/capacity.ts";
import { loadSettings } from "../load-settings.ts";
import { sandboxSettings } from "../sandbox-settings.ts";
import type { Settings } from "../settings.ts";
import { labHost, openEngine } from "./lab-host.ts";
import { probeRegistry } from "./registry.ts";

/** `footbridge doctor`: prints findings with remedies; exit status 1 where Footbridge will not run. */
export async function doctor(options: { json?: boolean }): Promise<void> {
  const settings = await loadSettings(process.env);
  const findings = await examineHost({
    ...labHost(settings, process.env),
    probeKvm: () => kvmVerdict(settings),
    probeRegistry: () => probeRegistry(settings),
    sandboxMemoryMib: sandboxMemoryMib(sandboxSettings(settings, { id: "doctor", usesKvm: false })),
    networkRange: settings.networkRange,
  });
  if (options.json) process.stdout.write(`${JSON.stringify({ findings }, null, 2)}\n`);
  else for (const finding of findings) process.stdout.write(`${describe(finding)}\n`);
  if (findings.some((finding) => finding.state === "bad")) process.exitCode = 1;
}

function describe({ state, name, found, remedy }: Finding): string {
  const mark = { good: "✓", weak: "!", bad: "✗" }[state];
  return `${mark} ${name.padEnd(9)} ${found}${remedy ? `\n            → ${remedy}` : ""}`;
}

/** The probe boots the guest's kernel, which comes with the machine image. */
async function kvmVerdict(settings: Settings): Promise<KvmVerdict> {
  const images = await recallImageSet(labHost(settings, process.env));
  if (!images)
    return {
      usable: false,
      reason: "not known before the machine image is built",
      remedy: "run `npx footbridge images build`",
    };
  await using engine = openEngine(settings, process.env);
  return await probeKvm({ engine, image: images.machine, stateDir: settings.stateDir });
}
