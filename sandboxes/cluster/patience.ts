import type { Placement } from "./cluster.ts";

/** How long a cluster may take for what, in milliseconds. */
export interface Patience {
  /** All of `kind create cluster`. */
  createMs: number;
  /** From then on, or from a start of its nodes, until they are Ready. */
  readyMs: number;
  /** For so long after a start of its nodes it is `starting`, not `broken`. */
  startingMs: number;
  /** One answer of its API. */
  answerMs: number;
}

/**
 * Nested, the whole cluster may be emulated: measured with two cores, its making took 4 to 10 minutes, its nodes became
 * Ready up to 9 minutes later, and a call of its API took 4 to 15 s.
 */
export const PATIENCE: Record<Placement, Patience> = {
  // A node's kubelet tells the API server every 10 s; after a start it takes up to two minutes until it does again.
  beside: { createMs: 600_000, readyMs: 240_000, startingMs: 120_000, answerMs: 15_000 },
  nested: { createMs: 2_400_000, readyMs: 1_800_000, startingMs: 900_000, answerMs: 60_000 },
};
