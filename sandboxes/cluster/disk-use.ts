import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import type { DiskUse } from "./cluster.ts";
import { nodeContainers } from "./inspect-cluster.ts";
import { toolboxName } from "./names.ts";

/** Millions of small files take this long, and nobody waits for it: three such looks in a row stop the cluster. */
const MEASURE_MS = 120_000;

/**
 * KiB of a node's /var, where pods, volumes, logs and images are, and of files that were deleted while a process goes
 * on writing them, which no folder shows. `unknown` are files in memory that were never mounted (memfd). It is not
 * niced: pods that keep the node's processors busy could put it off for ever.
 */
const MEASURE_NODE = `{
  printf '/var\\0'
  find -L /proc/[0-9]*/fd -maxdepth 1 -type f -links 0 ! -fstype tmpfs ! -fstype unknown -print0
} 2>/dev/null | du -csxkD --files0-from=- 2>/dev/null | tail -n 1`;

/**
 * What the cluster's containers use beside the VM: of nodes that run their volume and what they have written over
 * their image, of the toolbox the latter. The toolbox is measured from outside, since it is the learner's own.
 */
export async function measureDisk(
  { engine }: { engine: Engine },
  sandboxId: string,
  signal: AbortSignal,
): Promise<DiskUse[]> {
  const nodes = await nodeContainers(engine, sandboxId);
  const toolbox = async () => ({
    what: "the shell's container",
    mib: await engine.writtenMib(toolboxName(sandboxId)),
  });
  return await Promise.all([
    ...nodes
      .filter(({ running }) => running)
      .map(async ({ name }) => {
        const [volume, layer] = await Promise.all([nodeMib(engine, name, signal), engine.writtenMib(name)]);
        return { what: `node \`${name}\``, mib: volume + layer };
      }),
    toolbox(),
  ]);
}

async function nodeMib(engine: Engine, name: string, signal: AbortSignal): Promise<number> {
  const argv = ["sh", "-c", MEASURE_NODE];
  const { stdout, stderr } = await engine.exec(name, argv, { timeoutMs: MEASURE_MS, user: "root", signal });
  const kib = /^(\d+)\s/.exec(stdout)?.[1];
  if (kib === undefined)
    throw new LabError("command_failed", `could not measure the disk of \`${name}\`: ${stderr.trim()}`);
  return Number(kib) / 1024;
}
