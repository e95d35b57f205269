import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadInstallation, readInstallation } from "../../server/installation.ts";

async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "footbridge-state-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("looking for an installation makes none; starting makes it once", async () => {
  const folder = await stateFolder();
  expect(await readInstallation(join(folder, "none"))).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
  const made = await loadInstallation(folder);
  expect(await loadInstallation(folder)).toEqual(made);
  expect(await readInstallation(folder)).toEqual(made);
});

test("the file is its owner's alone, and nothing else is left beside it", async () => {
  const folder = await stateFolder();
  await loadInstallation(folder);
  expect(await readdir(folder)).toEqual(["installation.json"]);
  expect((await stat(join(folder, "installation.json"))).mode & 0o777).toBe(0o600);
});

test("of several that start at once one makes it, and it stays as that one made it", async () => {
  const folder = await stateFolder();
  const starts = await Promise.allSettled(Array.from({ length: 5 }, () => loadInstallation(folder)));
  const kept = await readInstallation(folder);
  const made = starts.filter((one) => one.status === "fulfilled").map(({ value }) => value);
  expect(made.length).toBeGreaterThan(0);
  for (const one of made) expect(one).toEqual(kept);
  for (const one of starts)
    if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "conflict" });
  expect(await readdir(folder)).toEqual(["installation.json"]);
});

test("a key with which no VM can be logged in to is told at the start, with what helps", async () => {
  const folder = await stateFolder();
  const made = await loadInstallation(folder);
  const cut = { ...made, sshPrivateKey: made.sshPrivateKey.replace(/^(.*\n.{40}).*/, "$1") };
  await writeFile(join(folder, "installation.json"), JSON.stringify(cut));
  await expect(loadInstallation(folder)).rejects.toMatchObject({
    code: "bad_settings",
    hint: expect.stringContaining("move it away"),
  });
  // Removing what it made needs no key.
  expect((await readInstallation(folder))?.id).toBe(made.id);
});

test("a key that can't be read is told, not replaced", async () => {
  const folder = await stateFolder();
  // A folder in its place is as unreadable for root as for others.
  await mkdir(join(folder, "installation.json"));
  await expect(loadInstallation(folder)).rejects.toMatchObject({ code: "forbidden" });
});
