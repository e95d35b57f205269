import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";

interface Sample {
  atMs: number;
  cpuNs: number;
}

/** Remembers each container's last CPU counter, so that use is a difference and costs one call. */
export class UsageMeter {
  readonly #docker: Docker;
  readonly #last = new Map<string, Sample>();

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** Memory working set in MiB, and cores used since the last call (the first time: over one second). */
  async measure(name: string, abortSignal: AbortSignal): Promise<{ memoryMib: number; cpus: number }> {
    let before = this.#last.get(name);
    if (before === undefined) {
      before = (await this.#sample(name, abortSignal)).sample;
      await delay(1_000);
    }
    const { sample, memoryMib } = await this.#sample(name, abortSignal);
    this.#last.set(name, sample);
    const elapsedNs = (sample.atMs - before.atMs) * 1e6;
    const spentNs = sample.cpuNs - before.cpuNs;
    // A container made anew under the same name starts counting at zero.
    return { memoryMib, cpus: elapsedNs > 0 && spentNs >= 0 ? spentNs / elapsedNs : 0 };
  }

  /** Memory that is neither page cache nor free, in MiB. */
  async heldMib(name: string, abortSignal: AbortSignal): Promise<number> {
    return (await this.#sample(name, abortSignal)).heldMib;
  }

  forget(name: string): void {
    this.#last.delete(name);
  }

  async #sample(
    name: string,
    abortSignal: AbortSignal,
  ): Promise<{ sample: Sample; memoryMib: number; heldMib: number }> {
    // Dockerode's types don't know that it takes a signal.
    const options = { stream: false, "one-shot": true, abortSignal } as const;
    const stats = await this.#docker.getContainer(name).stats(options);
    const details = (stats.memory_stats?.stats ?? {}) as unknown as Record<string, number>;
    // Page cache that can go at once is no use of memory; the name depends on the cgroup version.
    const cache = details.total_inactive_file ?? details.inactive_file ?? 0;
    // Of a v1 cgroup, what has no prefix leaves out the groups below, where a node's pods are, and Docker does not tell
    // what is shared: it counts as not held.
    const anonymous = details.anon ?? details.total_rss ?? 0;
    const shared = details.shmem ?? 0;
    return {
      // When Docker read it: its answer may have been long on the way.
      sample: { atMs: Date.parse(stats.read), cpuNs: stats.cpu_stats?.cpu_usage?.total_usage ?? 0 },
      memoryMib: Math.max(0, (stats.memory_stats?.usage ?? 0) - cache) / (1024 * 1024),
      heldMib: (anonymous + shared) / (1024 * 1024),
    };
  }
}
