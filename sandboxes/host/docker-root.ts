import { LabError } from "../errors.ts";
import { run } from "../run.ts";

/** Runs host commands as root: directly, or through sudo. */
export interface RootShell {
  /** What to put in front of an argv to run it as root; empty when we are root. */
  prefix: string[];
}

/**
 * Finds out how to become root. Sudo may ask for a password only where a terminal is there to answer.
 * @throws LabError `forbidden` with what to do instead, in `remedy`'s words.
 */
export async function becomeRoot(remedy: string): Promise<RootShell> {
  if (process.getuid?.() === 0) return { prefix: [] };
  try {
    await run(["sudo", "-n", "true"], { timeoutMs: 10_000 });
    return { prefix: ["sudo", "-n"] };
  } catch {
    if (process.stdin.isTTY && process.stderr.isTTY) {
      try {
        await run(["sudo", "-p", "footbridge needs root on this host; password for %u: ", "true"], {
          timeoutMs: 120_000,
        });
        return { prefix: ["sudo"] };
      } catch {
        // Falls through to the words below.
      }
    }
    throw new LabError("forbidden", "this needs root, and sudo doesn't let us", { hint: remedy });
  }
}

/** Runs one command as root, under a deadline. Sudo passes on only the variables that are named in `options.env`. */
export async function runAsRoot(
  root: RootShell,
  argv: readonly [string, ...string[]],
  options: Parameters<typeof run>[1],
): ReturnType<typeof run> {
  const names = Object.keys(options.env ?? {});
  const kept = root.prefix.length > 0 && names.length > 0 ? [`--preserve-env=${names.join(",")}`] : [];
  const [first, ...rest] = [...root.prefix, ...kept, ...argv];
  return await run([first ?? argv[0], ...rest], options);
}

/** Writes a file that belongs to root, as a whole or not at all. */
export async function writeAsRoot(root: RootShell, file: string, text: string, mode: string): Promise<void> {
  const timeoutMs = 10_000;
  await runAsRoot(root, ["mkdir", "-p", file.slice(0, file.lastIndexOf("/"))], { timeoutMs });
  const partial = `${file}.footbridge-${process.pid}`;
  await runAsRoot(root, ["tee", partial], { timeoutMs, input: text });
  await runAsRoot(root, ["chmod", mode, partial], { timeoutMs });
  await runAsRoot(root, ["mv", "-f", partial, file], { timeoutMs });
}
