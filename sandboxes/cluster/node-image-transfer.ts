import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { LabError } from "../errors.ts";
import { docker } from "../images/docker-command.ts";
import { tellMib } from "../images/tell-mib.ts";
import type { SandboxReport, SandboxStep } from "../progress.ts";

/** Under emulation a GiB takes minutes. */
const TRANSFER_MS = 1_800_000;
const WAKING_MS = 300_000;

/**
 * Brings an image from one Docker to another unless it is there, streaming: nothing is kept on this host.
 * `from` and `to` are environments of the docker command.
 * @throws LabError `image_failed`, `aborted`
 */
export async function transferImage(
  dockers: { from: Record<string, string>; to: Record<string, string> },
  image: string,
  options: { step: SandboxStep; report: SandboxReport; signal: AbortSignal },
): Promise<void> {
  const { step, report, signal } = options;
  // The first question starts the VM's Docker, which takes its time under emulation.
  const list = ["image", "ls", "--quiet", image];
  const { stdout: found } = await docker({ env: dockers.to }, list, { timeoutMs: WAKING_MS, signal });
  if (found.trim() !== "") return;
  const inspect = ["image", "inspect", "--format", "{{.Size}}", image];
  const size = Number((await docker({ env: dockers.from }, inspect, { timeoutMs: 30_000, signal })).stdout);
  const onBytes = tellMib(report, step, size, { before: "about ", after: " of the node image" });
  let moved = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      moved += chunk.length;
      onBytes(moved);
      done(null, chunk);
    },
  });
  const common = { timeout: TRANSFER_MS, cancelSignal: signal, reject: false, encoding: "buffer" } as const;
  const save = execa("docker", ["save", image], { ...common, env: dockers.from, buffer: { stdout: false } });
  const load = execa("docker", ["load"], { ...common, env: dockers.to, stdin: "pipe" });
  // A command that fails closes its pipe; its own words, below, say more than the broken pipe does.
  const [, saved, loaded] = await Promise.all([
    pipeline(save.stdout, meter, load.stdin).catch(() => {}),
    save,
    load,
  ]);
  if (signal.aborted) throw new LabError("aborted", "loading the node image was interrupted");
  for (const { failed, stderr, shortMessage } of [loaded, saved])
    if (failed)
      throw new LabError(
        "image_failed",
        `could not load the node image: ${new TextDecoder().decode(stderr).trim() || shortMessage}`,
        { hint: "is there room on the VM's disk for it?" },
      );
}
