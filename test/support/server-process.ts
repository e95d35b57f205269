import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const serverAlone = [process.execPath, "server/cli/main.ts", "start"] as const;

/** A real lab server in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  learnerLink: string;
  instructorLink: string;
  url: string;
  /** `kill -9`: no goodbye to anybody. */
  killHard(): Promise<void>;
}

/**
 * Starts it and resolves when it has printed its links.
 * @param env on top of this process's environment, e.g. FOOTBRIDGE_STATE_DIR.
 * @param command by default the server alone, without what `npm start` runs before it; npm passes SIGTERM on.
 */
export async function startServer(
  env: Record<string, string>,
  timeoutMs: number,
  command: readonly [string, ...string[]] = serverAlone,
): Promise<ServerProcess> {
  const child = spawn(command[0], command.slice(1), {
    cwd: checkout,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const links = await readLinks(child, timeoutMs);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  };
  return { ...links, killHard: () => end("SIGKILL"), [Symbol.asyncDispose]: () => end("SIGTERM") };
}

async function readLinks(child: ChildProcess, timeoutMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    learnerLink: string;
    instructorLink: string;
    url: string;
  }>();
  const said: string[] = [];
  const timer = setTimeout(() => {
    child.kill();
    reject(new Error(`the server printed no links within ${timeoutMs / 1000} s:\n${said.join("\n")}`));
  }, timeoutMs);
  child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${said.join("\n")}`)));
  if (!child.stdout) throw new Error("the server has no stdout");
  let url = "";
  let learnerLink = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    const after = (start: RegExp) => start.exec(line)?.[1];
    url ||= after(/^Footbridge is at (\S+)/) ?? "";
    learnerLink ||= after(/^\s+learners:\s+(\S+)/) ?? "";
    const instructorLink = after(/^\s+instructor:\s+(\S+)/);
    if (instructorLink) resolve({ url, learnerLink, instructorLink });
  });
  return await promise.finally(() => clearTimeout(timer));
}
