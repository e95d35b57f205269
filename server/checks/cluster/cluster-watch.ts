import { setTimeout } from "node:timers/promises";
import type { Sandbox } from "../../../sandboxes/sandbox.ts";
import type { ReachableCluster } from "../evaluate.ts";
import { createProber } from "../probes/prober.ts";
import { type ClusterChange, ClusterView } from "./cluster-view.ts";

export interface ClusterWatchOptions {
  sandbox: Sandbox;
  namespaces: readonly string[];
  onChange: (change: ClusterChange, cluster: ReachableCluster) => void;
  /** Within reach (again): everything is worth a look. */
  onConnect: (cluster: ReachableCluster) => void;
  onLost: () => void;
}

const BACKOFF_MS = { first: 500, longest: 10_000 };

/** Keeps one set of watches on a sandbox's cluster, and makes it anew whenever it breaks. */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  #current: ReachableCluster | undefined;

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
  }

  get current(): ReachableCluster | undefined {
    return this.#current;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let backoffMs = BACKOFF_MS.first;
    while (!signal.aborted) {
      const began = performance.now();
      await this.#watchOnce(signal).catch(() => {});
      if (this.#current) {
        this.#current = undefined;
        this.#options.onLost();
      }
      // What held for a while may be tried again at once.
      backoffMs =
        performance.now() - began > BACKOFF_MS.longest
          ? BACKOFF_MS.first
          : Math.min(backoffMs * 2, BACKOFF_MS.longest);
      await this.#pause(backoffMs, signal);
    }
  }

  async #watchOnce(signal: AbortSignal): Promise<void> {
    const cluster = this.#options.sandbox.cluster();
    if (!cluster) return;
    await using view = await ClusterView.connect({
      kubeconfig: () => cluster.kubeconfig("admin"),
      namespaces: this.#options.namespaces,
      onChange: (change) => {
        if (this.#current) this.#options.onChange(change, this.#current);
      },
    });
    if (signal.aborted) return;
    this.#current = { view, prober: createProber(view.config) };
    this.#options.onConnect(this.#current);
    const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stop(), { once: true });
    await Promise.race([view.failure, stopped]);
  }

  /** A pause that ends early when the sandbox changes, e.g. because its cluster has just become ready. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    this.#options.sandbox.onChange(() => done.abort(), either);
    await setTimeout(ms, undefined, { signal: either }).catch(() => {});
    done.abort();
  }
}
