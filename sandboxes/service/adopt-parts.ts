import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, ClusterDriver, ClusterSpec } from "../cluster/cluster.ts";
import { LabError, toLabError } from "../errors.ts";
import type { Machine, MachineDriver } from "../machine/machine.ts";
import { neverFinished } from "../machine/machine-state.ts";
import { isUntouched, type Sandbox, type WorldsInUse } from "../sandbox.ts";

export interface AdoptPartsDeps {
  machines: MachineDriver;
  clusters: ClusterDriver;
  clusterSpec(sandboxId: string, machine: Machine | undefined): Promise<ClusterSpec>;
}

export interface AdoptOptions {
  /** A world nobody has worked in has to show that it was finished; a sandbox without either is not worth keeping. */
  inUse: WorldsInUse;
  /** How long a part that can't be asked is asked again. */
  patienceMs: number;
  signal: AbortSignal;
}

/** A part of a sandbox, or why it is not there. */
export type Part<T> = { there: T; missing?: undefined } | { there?: undefined; missing: LabError };

export interface Parts {
  machine: Part<Machine>;
  cluster: Part<Cluster>;
}

const RETRY_MS = 1_000;

/**
 * Takes over what an earlier server left of a sandbox. `undefined` when nothing is left that anybody could miss: both
 * parts are gone, or nobody has worked in it and it was never finished. A part that can't be asked, because Docker or the
 * VM doesn't answer, may come back: no reason to give the sandbox up. What the sandbox has already is left as it is.
 */
export async function adoptParts(
  deps: AdoptPartsDeps,
  sandbox: Pick<Sandbox, "id" | "placement" | "machine" | "cluster">,
  { inUse, patienceMs, signal }: AdoptOptions,
): Promise<Parts | undefined> {
  const { id, placement } = sandbox;
  const patience = { deadline: performance.now() + patienceMs, signal };
  const machine = await ask("VM", patience, async () => sandbox.machine() ?? (await deps.machines.adopt(id)));
  const isClusterWithIt = placement === "nested" && machine.there === undefined;
  const cluster = isClusterWithIt
    ? { ...machine, there: undefined }
    : await ask("cluster", patience, async () => {
        const spec = await deps.clusterSpec(id, machine.there);
        return sandbox.cluster() ?? (await deps.clusters.adopt(spec, { wasFinished: inUse.cluster }));
      });
  const isKnown = !machine.trouble && !cluster.trouble;
  if (isKnown && !machine.there && !cluster.there) return undefined;
  if (isKnown && isUntouched(inUse) && !(machine.there && cluster.there && (await isFinished(machine.there))))
    return undefined;
  return {
    machine: partOf(machine, "the VM is gone, and its disks with it"),
    cluster: partOf(
      cluster,
      inUse.cluster
        ? "the cluster's nodes are gone, and its data with them"
        : "the cluster's making was interrupted",
    ),
  };
}

interface Answer<T> {
  there: T | undefined;
  trouble?: LabError;
}

async function ask<T>(
  what: string,
  { deadline, signal }: { deadline: number; signal: AbortSignal },
  call: () => Promise<T | undefined>,
): Promise<Answer<T>> {
  for (;;) {
    try {
      return { there: await call() };
    } catch (error) {
      const { code, message } = toLabError(error);
      if (performance.now() < deadline && !signal.aborted)
        await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      else
        return {
          there: undefined,
          trouble: new LabError(code, `the ${what} could not be taken over: ${message}`, {
            hint: "press repair to try again; if it stays so, reset the lab",
            cause: error,
          }),
        };
    }
  }
}

function partOf<T>({ there, trouble }: Answer<T>, lost: string): Part<T> {
  if (there !== undefined) return { there };
  return { missing: trouble ?? new LabError("not_found", lost, { hint: "reset the lab for a new sandbox" }) };
}

/** One that can't be asked counts as finished: its inspection tells. */
async function isFinished(machine: Machine): Promise<boolean> {
  const { state } = await machine.inspect().catch(() => ({ state: undefined }));
  return !(state?.power === "broken" && state.reason === neverFinished);
}
