import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { LabError } from "../errors.ts";

const journalSchema = z.object({
  /** Debian packages that were not there before us. */
  packages: z.array(z.string()).default([]),
  /** Files that did not exist before us. */
  files: z.array(z.string()).default([]),
  /** Files we changed with consent, and the copy of what they were. */
  changed: z.array(z.object({ file: z.string(), backup: z.string() })).default([]),
  /** Images that were pulled, not built. */
  pulledImages: z.array(z.string()).default([]),
  /** The Docker daemon we started ourselves, where no systemd did. */
  dockerdPid: z.number().int().optional(),
  /** Docker came with us, so its data may go with us. */
  installedDocker: z.boolean().default(false),
  /** At uninstall: nothing of anybody was left in it, so that it need not be asked again once it is stopped. */
  isDockerEmptied: z.boolean().default(false),
});

/** What Footbridge changed on this host, so that `footbridge uninstall` can take it back. */
export type Journal = z.infer<typeof journalSchema>;

/** Reads the journal; a host never touched gives an empty one. */
export async function readJournal(file: string): Promise<Journal> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return journalSchema.parse({});
    throw error;
  }
  try {
    return journalSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new LabError("bad_settings", `the journal \`${file}\` can't be read`, {
      hint: "it lists what was installed on this host: mend it, or move it away and undo those changes by hand",
      cause,
    });
  }
}

/** Adds to the journal before the change is made, so that an interruption loses nothing. */
export async function addToJournal(file: string, change: (journal: Journal) => void): Promise<void> {
  const journal = await readJournal(file);
  change(journal);
  journal.packages = [...new Set(journal.packages)].sort();
  journal.pulledImages = [...new Set(journal.pulledImages)].sort();
  journal.files = [...new Set(journal.files)].sort();
  await mkdir(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, `${JSON.stringify(journal, null, 2)}\n`);
  await rename(partial, file);
}

/** Forgets everything, once it has been taken back. */
export async function removeJournal(file: string): Promise<void> {
  await rm(file, { force: true });
}
