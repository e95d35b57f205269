import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import type { Place } from "../../sandboxes/place.ts";
import { poll } from "../poll.ts";

/** This host as a place: real processes and real shells, only nearer than those of a VM. */
export interface LocalPlace extends Place, AsyncDisposable {
  /** Where its holders listen. */
  readonly directory: string;
  /** Process ids of the holders that run for it. */
  holders(): Promise<number[]>;
  /** Ends every connection, as a VM does that loses power; what runs in the place goes on. */
  cut(): void;
  /** While set, opening a stream fails with this. */
  failure: Error | undefined;
  /** What new shells run; the user's own, as a login shell, where it is empty. */
  shell: string[];
}

/** Not the login shell of whoever runs the tests: what its start-up files do, and leave when it is killed, is their affair. */
const SHELL = ["bash", "--norc", "--noprofile", "-i"];

/** @param at the directory of another process's place, to share its shells. */
export async function makeLocalPlace(at: { directory?: string } = {}): Promise<LocalPlace> {
  const directory = at.directory ?? (await mkdtemp(join(tmpdir(), "fb-place-")));
  const open = new Set<Duplex>();
  const unused = () => Promise.reject(new Error("terminals need streams only"));
  const place: LocalPlace = {
    role: "vm",
    directory,
    failure: undefined,
    shell: SHELL,
    exec: unused,
    writeFile: unused,
    readFile: unused,
    stream: async ([file = "", ...args]) => {
      if (place.failure) throw place.failure;
      // A holder takes the shell it starts from the end of its arguments.
      const child = spawn(file, [...args, ...place.shell], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { PATH: process.env.PATH ?? "", HOME: homedir(), FOOTBRIDGE_TERMINALS: directory },
      });
      // The types lack the pair of Node streams that the documentation promises.
      const pair: unknown = { readable: child.stdout, writable: child.stdin };
      const stream = Duplex.from(pair as AsyncIterable<unknown>);
      open.add(stream);
      stream.on("close", () => {
        open.delete(stream);
        child.kill("SIGKILL");
      });
      return stream;
    },
    holders: () => holdersIn(directory),
    cut: () => {
      for (const stream of open) stream.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      place.cut();
      for (const pid of await holdersIn(directory)) endProcess(pid);
      await poll(async () => (await holdersIn(directory)).length === 0, "holders end");
      await rm(directory, { recursive: true, force: true });
    },
  };
  return place;
}

/** One that has ended by itself meanwhile is what was wanted. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Holders carry their directory in their environment, which tells ours from anybody else's. */
async function holdersIn(directory: string): Promise<number[]> {
  const pids: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const [comm, environ] = await Promise.all(
      ["comm", "environ"].map((file) => readFile(`/proc/${entry}/${file}`, "utf8").catch(() => "")),
    );
    if (comm === "footbridge-term\n" && environ?.includes(`FOOTBRIDGE_TERMINALS=${directory}\0`))
      pids.push(Number(entry));
  }
  return pids;
}
