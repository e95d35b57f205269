import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { GUEST } from "../machine/names.ts";
import { LABELS } from "../sandbox.ts";

const verdictShape = z.object({
  usable: z.boolean(),
  reason: z.string(),
  remedy: z.string().optional(),
});

/** Whether KVM runs our guest's kernel at the endpoint; `remedy` where the host's owner can change it. */
export type KvmVerdict = z.infer<typeof verdictShape>;

export interface KvmProbeDeps {
  engine: Engine;
  /** The machine image. */
  image: string;
  labels?: Record<string, string>;
  /** Folder of this installation's state; the verdict is kept there until the endpoint's host boots again. */
  stateDir: string;
}

const kept = z.object({ bootId: z.string(), image: z.string(), verdict: verdictShape });

/** A kernel under KVM is past this point within a second; one that only crawls never is. */
const bootMs = 10_000;
const bootIdFile = "/proc/sys/kernel/random/boot_id";
// Either proves that a whole kernel has run: it starts the first program, or finds no disk to start it from.
const marker = /Run \/init as init process|VFS: Unable to mount root fs|end Kernel panic/;
const remedy =
  "on a bare machine: switch virtualization on in the firmware, `modprobe kvm_intel` or `kvm_amd`; " +
  "in a VM: ask for nested virtualization";

/**
 * Boots the guest's kernel under KVM, since a `/dev/kvm` that opens proves nothing. The verdict is kept for as long as
 * the endpoint's host is up and the image is the same.
 * @throws LabError where the probe itself could not run, e.g. `docker_unavailable`.
 */
export async function probeKvm(deps: KvmProbeDeps): Promise<KvmVerdict> {
  const { engine } = deps;
  const name = `fb-kvm-${randomUUID().slice(0, 8)}`;
  const container = {
    name,
    image: deps.image,
    entrypoint: ["sleep", "60"],
    labels: { ...deps.labels, [LABELS.part]: "probe" },
    network: { name: "none" },
    capabilities: [],
    limits: { memoryMib: 768, pids: 128 },
  };
  const file = join(deps.stateDir, "kvm.json");
  const known = await readKept(file);
  const isKnown = (bootId: string) => known?.bootId === bootId.trim() && known.image === deps.image;
  // Where the endpoint is this very host, no container is needed to see that it has not booted since.
  if (known && isKnown(await readFile(bootIdFile, "utf8").catch(() => ""))) return known.verdict;
  try {
    // Root, since `/dev/kvm` may be root's alone; without a capability, network or volume all the same.
    await engine.runContainer({ ...container, user: "0:0", devices: ["/dev/kvm"] });
  } catch (error) {
    if (!(error instanceof LabError) || !/\/dev\/kvm/.test(error.message)) throw error;
    return { usable: false, reason: "the host has no /dev/kvm", remedy };
  }
  try {
    const { stdout } = await engine.exec(name, ["cat", bootIdFile], { timeoutMs: 20_000 });
    if (known && isKnown(stdout)) return known.verdict;
    const verdict = await boot(engine, name);
    await mkdir(deps.stateDir, { recursive: true });
    await writeFile(
      file,
      `${JSON.stringify({ bootId: stdout.trim(), image: deps.image, verdict }, null, 2)}\n`,
    );
    return verdict;
  } finally {
    await engine.removeContainer(name);
  }
}

async function boot(engine: Engine, name: string): Promise<KvmVerdict> {
  const stream = await engine.stream(name, [
    ...["qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"],
    ...["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-smp", "2", "-m", "256"],
    ...["-kernel", GUEST.kernel, "-initrd", GUEST.initrd],
    ...["-append", "console=ttyS0 panic=-1 root=/dev/none", "-serial", "stdio"],
  ]);
  let printed = "";
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stream.destroy();
  }, bootMs);
  try {
    for await (const chunk of stream) {
      printed += String(chunk);
      if (marker.test(printed)) return { usable: true, reason: "the guest's kernel boots under KVM" };
    }
    return { usable: false, reason: `QEMU ended before the kernel was up: ${lastLine(printed)}`, remedy };
  } catch (error) {
    // The command itself is no news to whoever reads this.
    const said = (error instanceof Error ? error.message : String(error)).replace(/^`[^`]*` /, "QEMU ");
    const reason = isLate
      ? `the guest's kernel did not come up within ${bootMs / 1000} s under KVM: ${lastLine(printed)}`
      : said;
    return { usable: false, reason, remedy };
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

function lastLine(printed: string): string {
  return printed.trim().split("\n").at(-1)?.trim() || "it printed nothing";
}

async function readKept(file: string): Promise<z.infer<typeof kept> | undefined> {
  try {
    return kept.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    // None yet, or one of an older version: probe again.
    return undefined;
  }
}
