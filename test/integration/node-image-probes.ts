import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../sandboxes/run.ts";

/** Kept in the course's images by tests of the node image: busybox and nothing else. */
export const probeImage = "fb-node-image-probe:1";

/** The same with a second layer on top, which replaces a file of the first and removes another. */
export const layeredImage = "fb-node-image-layers:1";

/** Builds both in the folder, out of that image's static busybox, and gives the archives of them. */
export async function makeProbeTars(folder: string, image: string): Promise<string[]> {
  const { stdout: container } = await run(["docker", "create", image], { timeoutMs: 60_000 });
  try {
    await run(["docker", "cp", `${container}:/usr/bin/busybox`, join(folder, "busybox")], {
      timeoutMs: 60_000,
    });
  } finally {
    await run(["docker", "rm", "-v", container], { timeoutMs: 60_000 });
  }
  await writeFile(join(folder, "old"), "below");
  const dockerfiles = {
    [probeImage]: "FROM scratch\nADD busybox /bin/busybox\nADD old /old\nADD old /gone\n",
    [layeredImage]: `FROM ${probeImage}\nRUN ["/bin/busybox","sh","-c","busybox rm /gone; echo above > /old"]\n`,
  };
  const made: string[] = [];
  for (const [tag, dockerfile] of Object.entries(dockerfiles)) {
    await writeFile(join(folder, "Dockerfile"), dockerfile);
    await run(["docker", "build", "--quiet", "--tag", tag, folder], { timeoutMs: 120_000 });
    const tar = join(folder, `${made.length}.tar`);
    await run(["docker", "save", "--output", tar, tag], { timeoutMs: 120_000 });
    made.push(tar);
  }
  return made;
}
