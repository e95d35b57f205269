import { readdir } from "node:fs/promises";
import { LabError } from "../errors.ts";
import { type Report, step } from "../progress.ts";
import { type RunResult, run } from "../run.ts";
import { type RootShell, runAsRoot } from "./docker-root.ts";

export interface AptDeps {
  report: Report;
  signal?: AbortSignal | undefined;
}

const aptGet = [
  "env",
  "DEBIAN_FRONTEND=noninteractive",
  "apt-get",
  "-q",
  "-o",
  "DPkg::Lock::Timeout=300",
] as const;

const timeoutMs = 15 * 60_000;
/** A dpkg that is killed half way leaves packages that nothing can be installed beside. */
const killAfterMs = 120_000;

/** Runs an `apt-get` that changes no packages: `update`, `--simulate`, `--download-only`. An abort ends it. */
export async function askApt(
  deps: AptDeps,
  root: RootShell,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<RunResult> {
  const options = { timeoutMs, signal: deps.signal, ...(onLine ? { onLine } : {}) };
  return await runAsRoot(root, [...aptGet, ...args], options);
}

/**
 * Runs an `apt-get` that installs or removes. It is waited for even when an abort comes meanwhile: stopping dpkg would
 * do harm, and its work takes seconds once the packages are downloaded.
 */
export async function changePackages(
  deps: AptDeps,
  root: RootShell,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  if (deps.signal?.aborted) throw new LabError("aborted", "installing was interrupted");
  await runAsRoot(root, [...aptGet, ...args], { timeoutMs, killAfterMs, onLine });
}

/**
 * Finishes what an interrupted dpkg has left half done, where dpkg says that there is something: apt refuses to work
 * until then.
 */
export async function mendPackages(deps: AptDeps, root: RootShell): Promise<void> {
  if (!(await isHalfDone())) return;
  await step(deps.report, "finish an interrupted installation (dpkg --configure -a)", () =>
    runAsRoot(root, ["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a"], {
      timeoutMs,
      killAfterMs,
    }),
  );
}

async function isHalfDone(): Promise<boolean> {
  const { stdout } = await run(["dpkg", "--audit"], { timeoutMs: 60_000, okExitCodes: [1] });
  if (stdout.trim() !== "") return true;
  // What apt itself looks at: changes that dpkg has noted and not carried over yet.
  const noted = await readdir("/var/lib/dpkg/updates").catch(() => []);
  return noted.some((name) => /^\d+$/.test(name));
}
