import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ImageRecipe } from "./image-recipe.ts";

/** Changed when the way images are put together changes, so that all are built anew. */
const builderGeneration = "1";

/**
 * The key of a recipe: 12 hexadecimal digits of a SHA-256 over all of its inputs. Paths on this host, times and owners
 * don't count, so that two checkouts agree.
 * @param environmentKey what stands for the builder itself.
 */
export async function recipeKey(recipe: ImageRecipe, environmentKey: string): Promise<string> {
  const hash = createHash("sha256");
  const add = (...words: string[]) => hash.update(`${JSON.stringify(words)}\n`);
  add("generation", builderGeneration, environmentKey, recipe.name);
  add("output", JSON.stringify(recipe.output), JSON.stringify(recipe.files ?? []));
  for (const name of Object.keys(recipe.settings).sort()) add("setting", name, recipe.settings[name] ?? "");
  for (const [argument, base] of Object.entries(recipe.bases ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
    add("base", argument, base.name, base.key);
  await addTree(hash, "folder", recipe.folder);
  for (const input of [...(recipe.inputs ?? [])].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    if (input.key === undefined) await addTree(hash, `input ${input.path}`, input.source);
    else add("input", input.path, input.key);
  }
  return hash.digest("hex").slice(0, 12);
}

/**
 * Adds a file's or folder's names and contents to a hash; times, owners and where it lies don't count, nor does what is
 * written there for people.
 */
export async function addTree(hash: Hash, name: string, path: string): Promise<void> {
  const stat = await lstat(path);
  if (stat.isDirectory()) {
    for (const entry of (await readdir(path)).filter((one) => one !== "README.md").sort())
      await addTree(hash, `${name}/${entry}`, join(path, entry));
  } else if (stat.isSymbolicLink()) {
    hash.update(`${JSON.stringify(["link", name, await readlink(path)])}\n`);
  } else {
    const executable = (stat.mode & 0o111) !== 0;
    hash.update(`${JSON.stringify(["file", name, executable, stat.size])}\n`);
    await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) hash.update(chunk);
    });
  }
}
