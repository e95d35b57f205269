import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CourseApp, CourseImage } from "./course-app.ts";
import type { ImageBuilder } from "./image-builder.ts";
import type { ImageRecipe } from "./image-recipe.ts";

/** How one of an app's container images is made: a tar as `docker save` writes it, named `<name>:<tag>`. */
export function courseImageRecipe(app: CourseApp, image: CourseImage): ImageRecipe {
  const config = {
    User: `${image.user.uid}:${image.user.uid}`,
    Cmd: image.command,
    WorkingDir: "/",
    ExposedPorts: { [`${image.port}/tcp`]: {} },
    Env: [
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      "LANG=C.UTF-8",
      ...Object.entries(image.env).map(([name, value]) => `${name}=${value}`),
    ],
  };
  return {
    name: `course-${image.name}`,
    folder: fileURLToPath(new URL("course-image", import.meta.url)),
    settings: {
      PACKAGES: image.packages.join(" "),
      USER_NAME: image.user.name,
      USER_ID: String(image.user.uid),
      CONFIG: JSON.stringify(config),
      REFERENCE: `${image.name}:${image.tag}`,
    },
    inputs: image.files.map(({ from, to }) => ({ path: `files${to}`, source: join(app.folder, from) })),
    output: { kind: "files" },
    files: ["image.tar"],
    timeoutMs: 15 * 60_000,
  };
}

/**
 * Builds every container image of these apps that is missing.
 * @returns absolute paths of their tars on this host.
 */
export async function ensureCourseImages(
  builder: ImageBuilder,
  apps: readonly CourseApp[],
): Promise<string[]> {
  const tars: string[] = [];
  for (const app of apps)
    for (const image of app.images) {
      const { files } = await builder.ensureImage(courseImageRecipe(app, image));
      tars.push(...Object.values(files));
    }
  return tars;
}
