import { LabError } from "../errors.ts";
import type { Report } from "../progress.ts";
import { run } from "../run.ts";
import { askApt, changePackages, mendPackages } from "./apt.ts";
import { addToJournal, type Journal } from "./docker-journal.ts";
import type { HostPaths } from "./docker-paths.ts";
import { debianRelease } from "./docker-probe.ts";
import { becomeRoot } from "./docker-root.ts";

/**
 * Installs Debian packages that are missing, after saying so, and puts what is new in the journal.
 * @param note what else to put there, once nothing but the installation itself can fail.
 * @throws LabError `not_supported` where the host isn't Debian 12 or newer; `forbidden` without root.
 */
export async function installPackages(
  deps: { paths: HostPaths; report: Report; signal?: AbortSignal | undefined },
  packages: readonly string[],
  purpose: string,
  note: (journal: Journal) => void = () => {},
): Promise<void> {
  const before = await installedPackages();
  const missing = packages.filter((name) => !before.has(name));
  if (missing.length === 0) return;
  const release = await debianRelease(deps.paths);
  const byHand = `install ${missing.join(", ")} with your system's package manager and start again`;
  if (release === undefined || release < 12)
    throw new LabError(
      "not_supported",
      `${purpose} needs ${missing.join(", ")}, and this is not Debian 12 or 13`,
      {
        hint: byHand,
      },
    );
  const root = await becomeRoot(`run as root: apt-get install --no-install-recommends ${missing.join(" ")}`);
  const name = `install ${missing.join(", ")}`;
  deps.report({ step: name, state: "started", message: `with apt-get, because ${purpose} needs it` });
  const tell = (message: string) => deps.report({ step: name, state: "progress", message });
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  try {
    await mendPackages(deps, root);
    await askApt(deps, root, ["update"], tell);
    const plan = await askApt(deps, root, [...install, "--simulate"]);
    const added = [...plan.stdout.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] ?? "");
    await askApt(deps, root, [...install, "--download-only"], tell);
    await addToJournal(deps.paths.journalFile, (journal) => {
      journal.packages.push(...added);
      note(journal);
    });
    await changePackages(deps, root, install, tell);
  } catch (error) {
    deps.report({
      step: name,
      state: "failed",
      message: error instanceof Error ? error.message : String(error),
    });
    throw error;
  }
  deps.report({ step: name, state: "done" });
}

/** The names of Debian packages that are installed; empty where there is no dpkg. */
export async function installedPackages(): Promise<Set<string>> {
  try {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are dpkg-query\'s
    const { stdout } = await run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\t${Package}\\n"], {
      timeoutMs: 30_000,
    });
    const lines = stdout.split("\n").filter((line) => line.startsWith("ii"));
    return new Set(lines.map((line) => line.split("\t")[1] ?? ""));
  } catch {
    return new Set();
  }
}

/** The packages that make a Docker Engine with its command: Debian 13 has split the latter out. */
export async function dockerPackages(paths: HostPaths): Promise<string[]> {
  const release = (await debianRelease(paths)) ?? 0;
  return release >= 13 ? ["docker.io", "docker-cli"] : ["docker.io"];
}
