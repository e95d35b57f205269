import { setTimeout as delay } from "node:timers/promises";
import { LabError, toLabError } from "../errors.ts";
import { ensureFirewall, type FirewallDeps, removeLeftovers } from "./firewall.ts";
import type { FirewallSettings } from "./rules.ts";

const LOOK_EVERY_MS = 60_000;

export interface FirewallKeeperDeps extends FirewallDeps {
  /** Told when the rules were gone and are back, or can't be looked at. */
  onTrouble(error: LabError): void;
  lookEveryMs?: number;
}

/**
 * Keeps the guard rails of the network in place as long as the lab server runs. The host's own `nft flush ruleset`, as a
 * restart of its nftables service does it, takes them away like everything else, and opens every sandbox.
 */
export class FirewallKeeper implements AsyncDisposable {
  readonly #deps: FirewallKeeperDeps;
  readonly #settings: Omit<FirewallSettings, "nameservers">;
  readonly #stop = new AbortController();
  #nudge = Promise.withResolvers<void>();
  #loaded: string;
  readonly #work: Promise<void>;

  private constructor(
    deps: FirewallKeeperDeps,
    settings: Omit<FirewallSettings, "nameservers">,
    loaded: string,
  ) {
    this.#deps = deps;
    this.#settings = settings;
    this.#loaded = loaded;
    this.#work = this.#keep();
  }

  /**
   * Puts the rules in place and keeps them there; what an earlier server left of that goes.
   * @throws LabError `command_failed` when the host's kernel or rules refuse them
   */
  static async start(
    deps: FirewallKeeperDeps,
    settings: Omit<FirewallSettings, "nameservers">,
  ): Promise<FirewallKeeper> {
    await removeLeftovers(deps, settings.installation);
    const { listing } = await ensureFirewall(deps, settings, undefined);
    return new FirewallKeeper(deps, settings, listing);
  }

  /** Something has happened to the host or its Docker. */
  lookNow(): void {
    this.#nudge.resolve();
  }

  /** The rules stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop;
    const { lookEveryMs = LOOK_EVERY_MS, onTrouble } = this.#deps;
    let isTold = false;
    for (;;) {
      const pause = delay(lookEveryMs, undefined, { signal }).catch(() => {});
      await Promise.race([pause, this.#nudge.promise]);
      this.#nudge = Promise.withResolvers();
      if (signal.aborted) return;
      try {
        if (await this.#look()) onTrouble(flushed());
        isTold = false;
      } catch (error) {
        // While Docker is away it is told once.
        if (!isTold) onTrouble(toLabError(error));
        isTold = true;
      }
    }
  }

  /** Whether they had to be put back. */
  async #look(): Promise<boolean> {
    const { listing, wasLoaded } = await ensureFirewall(this.#deps, this.#settings, this.#loaded);
    this.#loaded = listing;
    return wasLoaded;
  }
}

function flushed(): LabError {
  return new LabError("internal", "the firewall's rules were gone or changed on the host; they are back", {
    hint: "something flushes the host's nftables rules, e.g. a restart of its nftables service",
  });
}
