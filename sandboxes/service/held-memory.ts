import { KIND_CLUSTER_LABEL } from "../cluster/names.ts";
import type { Engine } from "../engine/engine.ts";
import { LABELS } from "../sandbox.ts";
import { settledWithin } from "../waiting.ts";
import { sandboxIdOf } from "./sweep.ts";

/** A learner waits for it; a container takes some 10 ms. */
const MEASURE_MS = 2_000;

/**
 * Memory that the containers of these sandboxes hold together, in MiB. What can't be measured in time counts as
 * nothing: then all that was promised is still to be taken, which errs on the safe side.
 */
export async function measureHeldMib(
  engine: Engine,
  sandboxIds: ReadonlySet<string>,
  timeoutMs = MEASURE_MS,
): Promise<number> {
  let heldMib = 0;
  const measure = async () => {
    const [ours, nodes] = await Promise.all([
      engine.listContainers({ [LABELS.sandbox]: "" }),
      engine.listContainers({ [KIND_CLUSTER_LABEL]: "" }),
    ]);
    const names = [...ours, ...nodes]
      .filter(({ running, labels }) => running && sandboxIds.has(sandboxIdOf(labels) ?? ""))
      .map(({ name }) => name);
    const add = async (name: string) => {
      const mib = await engine.heldMib(name).catch(() => 0);
      heldMib += mib;
    };
    await Promise.all([...new Set(names)].map(add));
  };
  if (sandboxIds.size > 0) await settledWithin(timeoutMs, measure());
  return heldMib;
}
