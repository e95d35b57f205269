import { createHash } from "node:crypto";
import { chmod, glob, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Everything the built page depends on. */
const INPUTS = [
  "client/**/*.{ts,tsx,css,html,svg}",
  "server/protocol/*.ts",
  "vite.config.ts",
  "tsconfig.json",
  "package-lock.json",
];

/** Kept in the built page's folder: the key of the inputs it was made from. */
const KEY_FILE = ".inputs";

const REPLACE_ATTEMPTS = 5;

export interface BuiltClient {
  /** Folder with `index.html` and `assets/`. */
  outDir: string;
  /** False where what was there had been made from the same inputs. */
  isBuilt: boolean;
}

/**
 * Builds the page into a folder, unless it is there already from the same inputs. The folder changes in one step, so a
 * server that serves from it never serves half a page, and an interrupted build leaves what was there.
 */
export async function buildClient(outDir: string = join(repository, "client/dist")): Promise<BuiltClient> {
  const target = resolve(outDir);
  const key = await inputsKey();
  if ((await readFile(join(target, KEY_FILE), "utf8").catch(() => undefined)) === key)
    return { outDir: target, isBuilt: false };
  // Beside the target, since a rename does not cross file systems.
  await mkdir(dirname(target), { recursive: true });
  const fresh = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    await asProduction(() =>
      build({
        configFile: join(repository, "vite.config.ts"),
        root: join(repository, "client"),
        logLevel: "warn",
        build: { outDir: fresh, emptyOutDir: true },
      }),
    );
    await writeFile(join(fresh, KEY_FILE), key);
    // A temporary folder is its maker's alone; the lab server may run as somebody else.
    await chmod(fresh, 0o755);
    await replace(target, fresh);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return { outDir: target, isBuilt: true };
}

/** Vite goes by NODE_ENV where it is set, as in tests, and would then build React's development version. */
async function asProduction<T>(work: () => Promise<T>): Promise<T> {
  const { NODE_ENV: before } = process.env;
  process.env.NODE_ENV = "production";
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = before;
  }
}

/** Another build may do the same at the same time; whoever is later wins. */
async function replace(target: string, fresh: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const old = `${fresh}-old-${attempt}`;
    await rename(target, old).catch(ignoreMissing);
    const isThere = await rename(fresh, target).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOTEMPTY" || attempt >= REPLACE_ATTEMPTS) throw error;
        return false;
      },
    );
    await rm(old, { recursive: true, force: true });
    if (isThere) return;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** A hash over names and contents of all inputs, and the Node that bundles them. */
async function inputsKey(): Promise<string> {
  const isBuildOutput = (path: string) => /(^|\/)\.?dist(-|\/|$)/.test(path);
  const files: string[] = [];
  for await (const file of glob(INPUTS, { cwd: repository, exclude: isBuildOutput })) files.push(file);
  const hash = createHash("sha256").update(process.version);
  for (const file of files.sort()) hash.update(`\0${file}\0`).update(await readFile(join(repository, file)));
  return hash.digest("hex");
}

// `node client/build.ts [FOLDER]`, for whoever may not import from here.
if (import.meta.main) {
  const { outDir, isBuilt } = await buildClient(process.argv[2]);
  console.log(`${isBuilt ? "built" : "unchanged"}: ${outDir}`);
}
