import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadImages, saveImages } from "../../sandboxes/images/image-bundle.ts";
import { type ImageSet, imageSourcesKey } from "../../sandboxes/images/image-set.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { type MadeUpHost, madeUpHost } from "../support/made-up-host.ts";

const labsDir = fileURLToPath(new URL("../../labs", import.meta.url));

/** A host whose Docker has three images of 16 MiB, and takes what it is given. */
async function hostWithImages() {
  const host = await madeUpHost();
  await host.put(
    "docker",
    `case "$1 $2" in
      "image inspect") for size in 1 2 3; do echo 16777216; done ;;
      "image ls") echo 4f1c ;;
      save*) head -c 50331648 /dev/zero ;;
      load*) wc -c >${host.folder}/loaded ;;
    esac`,
  );
  await mkdir(host.paths.cacheDir, { recursive: true });
  const binaries = { kindBinary: join(host.folder, "kind"), kubectlBinary: join(host.folder, "kubectl") };
  for (const file of Object.values(binaries)) await host.write(file, "#!/bin/sh\n");
  const about = { enforcesNetworkPolicy: true, kubernetesVersion: "v1.37.0", source: "built" } as const;
  const images: ImageSet = {
    machine: "machine:1",
    toolbox: "toolbox:1",
    node: { image: "node:1", ...binaries, ...about },
    sourcesKey: await imageSourcesKey(labsDir),
    registry: "auto",
  };
  return { host, images };
}

function watching(host: MadeUpHost) {
  const events: ProgressEvent[] = [];
  const messagesOf = (name: string) =>
    events.filter(({ step, state }) => step === name && state === "progress").map(({ message }) => message);
  return { deps: { ...host, report: (event: ProgressEvent) => void events.push(event) }, events, messagesOf };
}

test("saving and loading gigabytes tell how many MiB are through", async () => {
  const { host, images } = await hostWithImages();
  const file = join(host.folder, "images.tar");
  const saving = watching(host);
  await saveImages(saving.deps, images, file);
  expect(saving.messagesOf("save images")).toEqual([
    "16 of about 48 MiB",
    "32 of about 48 MiB",
    "48 of about 48 MiB",
  ]);
  expect(saving.messagesOf("write file")).toEqual(["16 of 48 MiB", "32 of 48 MiB", "48 of 48 MiB"]);

  const loading = watching(host);
  await loadImages(loading.deps, { labsDir }, file);
  expect(loading.messagesOf("load images")).toEqual(["16 of 48 MiB", "32 of 48 MiB", "48 of 48 MiB"]);
  expect((await host.read(join(host.folder, "loaded")))?.trim()).toBe("50331648");
  for (const { fraction } of [...saving.events, ...loading.events])
    if (fraction !== undefined) expect(fraction).toBeLessThan(1);
});

test("a Docker that fails half way is told in its own words, and nothing is left behind", async () => {
  const { host, images } = await hostWithImages();
  await host.put("docker", `[ "$1" = image ] && { echo 1; exit; }; echo "no such image: node:1" >&2; exit 1`);
  const folder = join(host.folder, "target");
  await expect(saveImages(host, images, join(folder, "images.tar"))).rejects.toMatchObject({
    code: "command_failed",
    message: expect.stringContaining("no such image: node:1"),
  });
  expect(await readdir(folder)).toEqual([]);
});
