import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import ssh2 from "ssh2";
import { z } from "zod";
import { LabError } from "../sandboxes/errors.ts";
import { makeSshKeys } from "../sandboxes/machine/ssh-keys.ts";

const Installation = z.object({
  /** Tells two lab servers at one Docker apart. */
  id: z.string(),
  /** The key with which the server logs in to its VMs; it never enters one. */
  sshPrivateKey: z.string(),
  sshPublicKey: z.string(),
});
export type Installation = z.infer<typeof Installation>;

/** Sandboxes that the command line makes belong to no server: this keeps a server's recovery away from them. */
export function ofCommandLine(installation: Installation): Installation {
  return { ...installation, id: `${installation.id}-cli` };
}

/**
 * Reads what makes this installation itself, or makes it once; the file is its owner's alone.
 * @throws LabError `bad_settings`, `forbidden`, `conflict` where another made it meanwhile
 */
export async function loadInstallation(stateDir: string): Promise<Installation> {
  const known = await readInstallation(stateDir);
  if (known) {
    assertKeyWorks(known, fileIn(stateDir));
    return known;
  }
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  return await createInstallation(fileIn(stateDir));
}

/**
 * The installation whose state is in this folder; undefined where there is none, and none is made.
 * @throws LabError `bad_settings`, `forbidden`
 */
export async function readInstallation(stateDir: string): Promise<Installation | undefined> {
  const file = fileIn(stateDir);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new LabError("forbidden", `can't read \`${file}\`: ${message}`, {
      hint: "it is its owner's alone: run this as the user the lab server runs as, e.g. with sudo",
      cause,
    });
  }
  const parsed = Installation.safeParse(safeJson(text));
  if (parsed.success) return parsed.data;
  throw new LabError("bad_settings", `\`${file}\` is not what Footbridge wrote`, {
    hint: MOVE_AWAY,
  });
}

/** Without a key there is no way into any VM, which would show at each login only. */
function assertKeyWorks({ sshPrivateKey }: Installation, file: string): void {
  const key = ssh2.utils.parseKey(sshPrivateKey);
  if (key instanceof Error)
    throw new LabError("bad_settings", `the SSH key in \`${file}\` can't be read: ${key.message}`, {
      hint: MOVE_AWAY,
    });
}

const MOVE_AWAY = "move it away; running sandboxes are then made anew";

const fileIn = (stateDir: string): string => join(stateDir, "installation.json");

async function createInstallation(file: string): Promise<Installation> {
  const keys = makeSshKeys("footbridge");
  const installation = {
    id: randomBytes(4).toString("hex"),
    sshPrivateKey: keys.private,
    sshPublicKey: keys.public,
  };
  await writeNew(file, JSON.stringify(installation, null, 2));
  return installation;
}

/** The file is there whole or not at all, also when this process or the host is stopped in between. */
async function writeNew(file: string, text: string): Promise<void> {
  const fresh = `${file}.${randomBytes(4).toString("hex")}`;
  try {
    await using handle = await open(fresh, "wx", 0o600);
    await handle.writeFile(text);
    await handle.sync();
    // Unlike a rename it fails where the file is: of two that start at once, none replaces the other one's key.
    await link(fresh, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new LabError("conflict", `\`${file}\` was made by another lab server just now`, {
      hint: "start again; one lab server at a time has this state",
      cause,
    });
  } finally {
    await rm(fresh, { force: true });
  }
  await using folder = await open(dirname(file));
  await folder.sync();
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
