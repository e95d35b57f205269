import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ImageBuilder } from "./image-builder.ts";
import type { BuiltImage, ImageRecipe, RecipeInput } from "./image-recipe.ts";
import { kindRecipe, nodeComponentRecipe, nodeComponents } from "./node-image-components.ts";

/** The node image made here. */
export interface BuiltNode {
  image: string;
  key: string;
  kubectlBinary: string;
  kubernetesVersion: string;
}

/** Whether `ensureBuiltNode` would have nothing to build. */
export async function isBuiltNodePresent(builder: ImageBuilder): Promise<boolean> {
  return (
    (await builder.isPresent(await nodeBaseRecipe(builder))) &&
    (await builder.isPresent(nodeComponentRecipe("kubernetes")))
  );
}

/**
 * Builds what is missing of the node image's components and then the image itself: `footbridge/node-base:<key>`, a
 * kind node of Debian packages and Go modules that carries its own network and policies.
 */
export async function ensureBuiltNode(builder: ImageBuilder): Promise<BuiltNode> {
  const recipe = await nodeBaseRecipe(builder);
  // The components' keys make the image's: nothing of theirs is needed while the image is there.
  if (!(await builder.isPresent(recipe)))
    for (const component of componentRecipes()) await builder.ensureImage(component);
  const { tag, key } = await builder.ensureImage(recipe);
  const kubernetes = nodeComponentRecipe("kubernetes");
  const { files } = await builder.ensureImage(kubernetes);
  return {
    image: tag,
    key,
    kubectlBinary: files.kubectl ?? "",
    kubernetesVersion: await moduleVersion(kubernetes.folder, "k8s.io/kubernetes"),
  };
}

async function moduleVersion(folder: string, module: string): Promise<string> {
  const line = (await readFile(join(folder, "go.mod"), "utf8"))
    .split("\n")
    .find((one) => one.startsWith(`\t${module} v`));
  return line?.trim().split(" ")[1] ?? "";
}

function componentRecipes(): ImageRecipe[] {
  return [kindRecipe(), ...nodeComponents.map(nodeComponentRecipe)];
}

async function nodeBaseRecipe(builder: ImageBuilder): Promise<ImageRecipe> {
  const components = await Promise.all(componentRecipes().map((recipe) => builder.describe(recipe)));
  return {
    name: "node-base",
    folder: fileURLToPath(new URL("node/image/", import.meta.url)),
    settings: {},
    inputs: components.flatMap(componentInputs),
    output: { kind: "context" },
    timeoutMs: 40 * 60_000,
  };
}

function componentInputs(component: BuiltImage): RecipeInput[] {
  const folder = component.name.replace(/^node-/, "");
  return Object.entries(component.files).map(([file, source]) => ({
    path: `${folder}/${file}`,
    source,
    key: component.key,
  }));
}
