import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { saveImages } from "../../sandboxes/images/image-bundle.ts";
import { ensureImages } from "../../sandboxes/images/image-set.ts";
import { labsDir } from "../../server/cli/places.ts";
import { type FreshHost, startFreshHost } from "../support/fresh-host.ts";

/** A host whose Docker has a disk of its own, and too little room there. The tests go in order. */
const FILE = "footbridge-images.tar";
const FOOTBRIDGE =
  "cd /checkout && FOOTBRIDGE_REGISTRY=none FOOTBRIDGE_ACCELERATOR=tcg sh server/cli/first-stage.sh server/cli/main.ts";
const BUILD_MS = 1_200_000;

let folder: string;
let host: FreshHost;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-bundle-"));
  host = await startFreshHost({ folders: { [folder]: "/carried" }, dockerDiskMib: 150 });
  const deps = { env: process.env, paths: hostPaths(process.env), report() {} };
  const images = await ensureImages(deps, { labsDir, registry: "none" });
  // Which images fill the disk is all the same; the real ones would take gigabytes of memory, where the disk is.
  const one = host.image;
  const small = { ...images, machine: one, toolbox: one, node: { ...images.node, image: one } };
  await saveImages(deps, small, join(folder, FILE));
  // What README says such a host has already: npm and Node's library.
  await host.inHost("printf '#!/bin/sh\\necho 9.2.0\\n' >/usr/local/bin/npm && chmod +x /usr/local/bin/npm");
  expect((await host.inHost(`${FOOTBRIDGE} --version`)).exitCode).toBe(0);
  await host.drive("docker");
}, BUILD_MS);

afterAll(async () => {
  await host?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const footbridge = (words: string) => host.inHost(`${FOOTBRIDGE} ${words} 2>&1`, BUILD_MS);

/** MiB that Docker's data take. */
async function usedMib(): Promise<number> {
  return Number((await host.inHost("df --output=used -BM /var/lib/docker | tail -n 1 | tr -dc 0-9")).stdout);
}

/** What Docker holds, and what Footbridge keeps in files, one a line. */
async function left(): Promise<string[]> {
  const looks = [
    "docker ps --all --quiet",
    "docker images --all --quiet",
    "docker volume ls --quiet",
    "docker network ls --quiet --filter type=custom",
    "find /root/.cache/footbridge -type f",
    "nft list tables | grep footbridge",
  ];
  const { stdout } = await host.inHost(`{ ${looks.join("; ")}; } 2>/dev/null`);
  return stdout.split("\n").filter(Boolean);
}

test(
  "the image builder that does not fit says so, with what helps, and leaves nothing",
  async () => {
    expect(await left()).toEqual([]);
    const usedBefore = await usedMib();
    const { stdout, exitCode } = await footbridge("images build");
    expect(exitCode).toBe(1);
    expect(stdout).toContain("✗ make the image builder");
    expect(stdout).toMatch(
      /footbridge: .*no space left on device \(hint: free disk space on the host, where Docker keeps its data/,
    );
    expect(await left()).toEqual([]);
    expect(await usedMib()).toBe(usedBefore);
  },
  BUILD_MS,
);

test("images that do not fit are told as such and leave nothing; with more room they come from the same file", async () => {
  const usedBefore = await usedMib();
  const { stdout, exitCode } = await footbridge(`images load /carried/${FILE}`);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/✗ load images.*no space left on device/);
  expect(stdout).toMatch(/footbridge: there is not enough room for the images \(hint: free some GiB/);
  expect(await left()).toEqual([]);
  expect(await usedMib()).toBe(usedBefore);

  await host.inHost("mount -o remount,size=400m /var/lib/docker");
  const loaded = await footbridge(`images load /carried/${FILE}`);
  expect(loaded.exitCode, loaded.stdout).toBe(0);
});

test("a sandbox that a full disk lets not come up says so, and leaves nothing", async () => {
  const before = await left();
  // Ends for want of room, which is the point.
  await host.inHost("head -c 400m /dev/zero >/var/lib/docker/ballast");
  const { stdout, exitCode } = await footbridge("sandbox create");
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /footbridge: could not create .*: no space left on device \(hint: free disk space where Docker keeps its data/,
  );
  await host.inHost("rm /var/lib/docker/ballast");
  expect(await left()).toEqual(before);
});
