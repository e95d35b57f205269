import { setTimeout } from "node:timers/promises";
import type { CheckOf } from "../check.ts";
import type { Prober } from "../probes/prober.ts";
import { find } from "./cluster-state.ts";
import type { ClusterChange, ClusterView } from "./cluster-view.ts";
import { serviceAddress } from "./service.ts";
import { Survival, type SurvivalResult } from "./survival.ts";

const BURST_SECONDS = 15;
const RETRY_MS = 2_000;

/** Keeps asking a Service as soon as there is more than one replica, and holds what came of deletions. */
export class SurvivalWatch implements AsyncDisposable {
  readonly #check: CheckOf<"survives_deletion">;
  readonly #survival: Survival;
  readonly #onResult: () => void;
  #url: string | undefined;
  #stop = new AbortController();
  #asking: Promise<void> = Promise.resolve();

  constructor(check: CheckOf<"survives_deletion">, onResult: () => void) {
    this.#check = check;
    this.#survival = new Survival(check);
    this.#onResult = onResult;
  }

  get result(): SurvivalResult {
    return this.#survival.result;
  }

  onChange(change: ClusterChange, view: ClusterView, prober: Prober): void {
    const hasBegun = this.#survival.onChange(change, view);
    if (hasBegun) prober.burst(BURST_SECONDS).catch(() => {});
    if (change.kind === "Deployment" || change.kind === "Service") this.refresh(view, prober);
  }

  /** Starts, moves or ends the asking to fit what the cluster has now. */
  refresh(view: ClusterView, prober: Prober): void {
    const url = this.#wantedUrl(view);
    if (url === this.#url) return;
    this.#halt();
    this.#url = url;
    if (url) {
      this.#stop = new AbortController();
      this.#asking = this.#ask(url, view, prober, this.#stop.signal);
    }
  }

  /** The cluster is out of reach. */
  lose(): void {
    this.#halt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#halt();
    await this.#asking;
  }

  #halt(): void {
    this.#stop.abort();
    this.#url = undefined;
    this.#survival.onSilence();
  }

  #wantedUrl(view: ClusterView): string | undefined {
    const { namespace, deployment, path, port } = this.#check;
    const replicas = find(view, "Deployment", namespace, deployment)?.spec?.replicas ?? 1;
    const address = serviceAddress(view, this.#check);
    return replicas >= 2 && "host" in address ? `http://${address.host}:${port}${path}` : undefined;
  }

  async #ask(url: string, view: ClusterView, prober: Prober, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const line of prober.follow(url, this.#check.whoField, signal))
          if (!signal.aborted && this.#survival.onLine(line, view, new Date())) this.#onResult();
      } catch {
        // The prober or its way broke off; asking begins anew.
      }
      if (signal.aborted) return;
      this.#survival.onSilence();
      this.#onResult();
      await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
