import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { loadImages, saveImages } from "../../sandboxes/images/image-bundle.ts";
import { ensureImages, type ImageSet, imageSourcesKey } from "../../sandboxes/images/image-set.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";

const labsDir = fileURLToPath(new URL("../../labs", import.meta.url));
const tags = ["machine", "toolbox", "node"].map((name) => `footbridge/test-${name}:${process.pid}`);
const [machine = "", toolbox = "", node = ""] = tags;
const events: ProgressEvent[] = [];
let folder: string;
let images: ImageSet;

/** A host with its own caches; `name` tells one from another. */
function hostNamed(name: string) {
  const paths = {
    ...hostPaths(process.env),
    stateDir: join(folder, name, "s"),
    cacheDir: join(folder, name, "c"),
  };
  return { env: process.env, paths, report: (event: ProgressEvent) => events.push(event) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-bundle-"));
  // Small stand-ins for gigabytes: what a bundle does with an image doesn't depend on what is in it.
  for (const tag of tags) {
    await writeFile(join(folder, "content"), tag);
    await run(["tar", "-cf", join(folder, "content.tar"), "-C", folder, "content"], { timeoutMs: 10_000 });
    await run(["docker", "import", join(folder, "content.tar"), tag], { timeoutMs: 60_000 });
  }
  const binaries = { kindBinary: join(folder, "kind"), kubectlBinary: join(folder, "kubectl") };
  await writeFile(binaries.kindBinary, "#!/bin/sh\necho kind\n");
  await writeFile(binaries.kubectlBinary, "#!/bin/sh\necho kubectl\n");
  const sourcesKey = await imageSourcesKey(labsDir);
  const about = { enforcesNetworkPolicy: true, kubernetesVersion: "v1.37.0", source: "built" } as const;
  images = { machine, toolbox, node: { image: node, ...binaries, ...about }, sourcesKey, registry: "auto" };
});

afterAll(async () => {
  await run(["docker", "image", "rm", "--force", ...tags], { timeoutMs: 60_000, okExitCodes: [1] });
  await rm(folder, { recursive: true, force: true });
});

test("one file carries everything to a host that reaches no registry", async () => {
  const file = join(folder, "deep/images.tar");
  await saveImages(hostNamed("connected"), images, file);
  expect((await stat(file)).size).toBeGreaterThan(10_000);
  await run(["docker", "image", "rm", "--force", ...tags], { timeoutMs: 60_000 });

  const airGapped = hostNamed("air-gapped");
  const loaded = await loadImages(airGapped, { labsDir }, file);
  expect(loaded).toMatchObject({ machine, toolbox, node: { image: node, kubernetesVersion: "v1.37.0" } });
  for (const tag of tags)
    expect((await run(["docker", "image", "inspect", tag], { timeoutMs: 30_000 })).exitCode).toBe(0);
  const { kindBinary, kubectlBinary } = loaded.node;
  expect((await run([kindBinary], { timeoutMs: 10_000 })).stdout).toBe("kind");
  expect((await run([kubectlBinary], { timeoutMs: 10_000 })).stdout).toBe("kubectl");

  events.length = 0;
  for (const registry of ["auto", "none"])
    expect(await ensureImages(airGapped, { labsDir, registry })).toEqual(loaded);
  expect(events).toEqual([]);
});

test("a file of another version, and one that is none, are refused", async () => {
  const other = join(folder, "other.tar");
  await saveImages(hostNamed("connected"), { ...images, sourcesKey: "000000000000" }, other);
  await expect(loadImages(hostNamed("wrong"), { labsDir }, other)).rejects.toMatchObject({
    code: "bad_request",
    message: expect.stringContaining("another version"),
  });
  const whole = join(folder, "whole.tar");
  await saveImages(hostNamed("connected"), images, whole);
  const cut = join(folder, "cut.tar");
  await writeFile(cut, (await readFile(whole)).subarray(0, 9_000));
  await expect(loadImages(hostNamed("wrong"), { labsDir }, cut)).rejects.toThrow();
  await expect(loadImages(hostNamed("wrong"), { labsDir }, "/etc/hostname")).rejects.toMatchObject({
    code: "bad_request",
  });
});
