import { fileURLToPath } from "node:url";
import type { ImageBuilder } from "./image-builder.ts";
import type { BuiltImage, ImageRecipe } from "./image-recipe.ts";

const packages = [
  // tini, because shells leave orphans behind that somebody has to bury.
  ...["tini", "bash", "bash-completion", "ca-certificates", "curl", "jq", "vim", "nano", "less", "python3"],
  ...["postgresql-client", "iputils-ping", "bind9-dnsutils", "procps", "iproute2", "netbase", "openssl"],
];

/** How the toolbox is made, with this kubectl (an absolute path on this host). */
export function toolboxRecipe(kubectlBinary: string): ImageRecipe {
  return {
    name: "toolbox",
    folder: fileURLToPath(new URL("toolbox", import.meta.url)),
    settings: { PACKAGES: packages.join(" ") },
    inputs: [{ path: "kubectl", source: kubectlBinary }],
    output: {
      kind: "rootfs",
      changes: [
        "USER admin",
        "WORKDIR /home/admin",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
        "ENV LANG=C.UTF-8",
        "ENV HOME=/home/admin",
        'ENTRYPOINT ["/usr/bin/tini", "--"]',
        'CMD ["sleep", "infinity"]',
      ],
    },
    timeoutMs: 20 * 60_000,
  };
}

/** Builds the toolbox unless it is there. */
export async function ensureToolboxImage(builder: ImageBuilder, kubectlBinary: string): Promise<BuiltImage> {
  return await builder.ensureImage(toolboxRecipe(kubectlBinary));
}
