import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Commands of the host that only write down that they were called, and answer as told. */
export interface StandInCommands {
  folder: string;
  /** A PATH on which they come before the host's own. */
  path: string;
  /** @param script what it does and prints, as a shell script. */
  put(name: string, script: string, folder?: string): Promise<void>;
  /** Every call so far as a line, `name argument…`. */
  calls(): Promise<string[]>;
}

/** A folder of stand-ins that goes with the test. */
export async function standInCommands(): Promise<StandInCommands> {
  const folder = await mkdtemp(join(tmpdir(), "footbridge-commands-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const log = join(folder, ".calls");
  await writeFile(log, "");
  return {
    folder,
    path: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`,
    async put(name, script, into = folder) {
      const file = join(into, name);
      await writeFile(file, `#!/bin/sh\necho "${name} $*" >>${log}\n${script}\n`);
      await chmod(file, 0o755);
    },
    calls: async () => (await readFile(log, "utf8")).split("\n").filter(Boolean),
  };
}
