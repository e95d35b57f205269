import { access, constants, realpath } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { run } from "../run.ts";
import type { ImageBuilder } from "./image-builder.ts";
import { kindRecipe } from "./node-image-components.ts";

/** The kind that our configuration is written for: another may write another kubeadm configuration. */
export const kindVersion = "v0.33.0";

/**
 * The kind command: one of this very version from the PATH, else built from its Go module.
 * @returns an absolute path on this host.
 */
export async function ensureKindCommand(builder: ImageBuilder, env: NodeJS.ProcessEnv): Promise<string> {
  const recipe = kindRecipe();
  const { files } = await builder.describe(recipe);
  if (!(await builder.isPresent(recipe))) {
    const onPath = await kindOnPath(env);
    if (onPath) return onPath;
    await builder.ensureImage(recipe);
  }
  return files.kind ?? "";
}

async function kindOnPath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (!folder) continue;
    const file = join(folder, "kind");
    try {
      await access(file, constants.X_OK);
      const { stdout } = await run([file, "version"], { timeoutMs: 10_000 });
      if (stdout.startsWith(`kind ${kindVersion} `)) return await realpath(file);
    } catch {
      // Not there, or not a kind: the next folder may have one.
    }
  }
  return undefined;
}
