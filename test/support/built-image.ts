import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";

/** The image of this name that the set-up found or made, as the product uses it. */
export async function builtImage(name: "machine" | "node" | "toolbox"): Promise<string> {
  const images = await recallImageSet({ paths: hostPaths(process.env) });
  if (!images) throw new Error("no images: `footbridge images build` makes them");
  return name === "node" ? images.node.image : images[name];
}
