import { fileURLToPath } from "node:url";
import type { ImageBuilder } from "../../sandboxes/images/image-builder.ts";
import type { BuiltImage } from "../../sandboxes/images/image-recipe.ts";

/** Debian's docker-registry, and a static busybox at /usr/bin/busybox. */
export async function ensureRegistryImage(builder: ImageBuilder): Promise<BuiltImage> {
  return await builder.ensureImage({
    name: "test-registry",
    folder: fileURLToPath(new URL("../integration/node-image-registry", import.meta.url)),
    settings: {},
    output: { kind: "rootfs", changes: ['ENTRYPOINT ["/usr/bin/docker-registry"]'] },
    timeoutMs: 30 * 60_000,
  });
}
