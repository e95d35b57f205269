import { LabError, toLabError } from "../errors.ts";
import { DISK_RESERVE_MIB } from "./capacity.ts";
import type { LiveSandbox } from "./live-sandbox.ts";

export interface DiskWatchDeps {
  /** What one sandbox may use, in MiB. */
  limitMib: number;
  sandboxes(): readonly Pick<LiveSandbox, "id" | "diskUse" | "haltCluster">[];
  /** Free disk of the Docker host, `undefined` where that can't be known. */
  freeDiskMib(): Promise<number | undefined>;
  onTrouble(error: LabError, sandboxId: string | undefined): void;
  /** 30 s unless it says otherwise. */
  lookEveryMs?: number;
}

const LOOK_EVERY_MS = 30_000;

/** So many looks in a row may take too long, as on a host that is busy; after that nobody knows how full the disk is. */
const PATIENT_LOOKS = 3;

/** Stands for the host among the ids of sandboxes. */
const HOST = undefined;

/**
 * Docker's volumes and containers have no size of their own, so one learner could fill the disk of all. This looks at
 * what each sandbox uses and stops the cluster of one that uses more than it may.
 */
export class DiskWatch implements Disposable {
  readonly #deps: DiskWatchDeps;
  readonly #timer: NodeJS.Timeout;
  /** Whose look is not over. */
  readonly #looking = new Set<string | undefined>();
  /** Whose trouble was told and is not over. */
  readonly #told = new Set<string | undefined>();
  /** How many of a sandbox's looks in a row took too long. */
  readonly #slow = new Map<string, number>();

  constructor(deps: DiskWatchDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.look(), deps.lookEveryMs ?? LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** One round. Each is looked at on its own: a slow one keeps nobody waiting, and is left out until it is done. */
  async look(): Promise<void> {
    const sandboxes = this.#deps.sandboxes();
    const ids = new Set<string | undefined>(sandboxes.map(({ id }) => id));
    for (const id of this.#told) if (id !== HOST && !ids.has(id)) this.#told.delete(id);
    for (const id of this.#slow.keys()) if (!ids.has(id)) this.#slow.delete(id);
    await Promise.all([
      this.#lookAt(HOST, () => this.#lookAtHost()),
      ...sandboxes.map((sandbox) => this.#lookAt(sandbox.id, () => this.#lookAtSandbox(sandbox))),
    ]);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Runs a look that gives the trouble it found, and tells of it once. */
  async #lookAt(id: string | undefined, look: () => Promise<LabError | undefined>): Promise<void> {
    if (this.#looking.has(id)) return;
    this.#looking.add(id);
    const trouble = await look().catch(toLabError);
    this.#looking.delete(id);
    // A sandbox that is being ended.
    if (trouble?.code === "aborted") return;
    if (trouble && !this.#told.has(id)) this.#deps.onTrouble(trouble, id);
    if (trouble) this.#told.add(id);
    else this.#told.delete(id);
  }

  async #lookAtSandbox(
    sandbox: Pick<LiveSandbox, "id" | "diskUse" | "haltCluster">,
  ): Promise<LabError | undefined> {
    const seen = await sandbox.diskUse().catch(toLabError);
    if (seen instanceof LabError) return await this.#notMeasured(sandbox, seen);
    this.#slow.delete(sandbox.id);
    const parts = seen.sort((a, b) => b.mib - a.mib);
    const used = parts.reduce((sum, { mib }) => sum + mib, 0);
    const most = parts[0];
    if (!most || used <= this.#deps.limitMib) return undefined;
    const values = [gib(used), gib(this.#deps.limitMib), most.what];
    const reason = `it filled its disk: ${values[0]} of ${values[1]} GiB (${most.what})`;
    await sandbox.haltCluster({
      code: "sandbox_disk_full",
      values,
      reason,
      remedy: "reset gives a new sandbox",
    });
    return new LabError("disk_full", `the cluster was stopped: ${reason}`, {
      hint: "`sandboxDiskGib` is the limit",
    });
  }

  /** Millions of tiny files or a processor that is kept busy must not be a way round the limit. */
  async #notMeasured(sandbox: Pick<LiveSandbox, "id" | "haltCluster">, failure: LabError): Promise<LabError> {
    const slow = failure.code === "timed_out" ? (this.#slow.get(sandbox.id) ?? 0) + 1 : 0;
    this.#slow.set(sandbox.id, slow);
    if (slow < PATIENT_LOOKS) return failure;
    const reason = `its disk can't be measured: that took too long ${PATIENT_LOOKS} times in a row`;
    await sandbox.haltCluster({
      code: "sandbox_disk_unmeasured",
      values: [String(PATIENT_LOOKS)],
      reason,
      remedy: "reset gives a new sandbox",
    });
    // Only now: the next look tries again to stop what could not be stopped.
    this.#slow.delete(sandbox.id);
    // The first look that took too long was told already; what came of it is more.
    this.#told.delete(sandbox.id);
    return new LabError("timed_out", `the cluster was stopped: ${reason}`, {
      hint: "does a pod write very many small files? is the host overloaded?",
      cause: failure,
    });
  }

  async #lookAtHost(): Promise<LabError | undefined> {
    const freeMib = await this.#deps.freeDiskMib();
    if (freeMib === undefined || freeMib >= DISK_RESERVE_MIB) return undefined;
    return new LabError(
      "disk_full",
      `${gib(freeMib)} GiB are free where Docker keeps its data: no further sandbox is made`,
      { hint: `free disk space, until there are ${gib(DISK_RESERVE_MIB)} GiB` },
    );
  }
}

/** MiB as GiB with at most one digit after the point. */
function gib(mib: number): string {
  return String(Math.round((mib / 1024) * 10) / 10);
}
