import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildClient } from "../../../client/build.ts";

test("is built once, and again when it is not what the inputs give", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fb-client-"));
  try {
    const outDir = join(dir, "dist");
    expect(await buildClient(outDir)).toEqual({ outDir, isBuilt: true });
    const page = await readFile(join(outDir, "index.html"), "utf8");
    for (const [, asset] of page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g))
      expect((await stat(join(outDir, asset ?? ""))).size).toBeGreaterThan(0);
    const scripts = (await readdir(join(outDir, "assets"))).filter((name) => name.endsWith(".js"));
    for (const name of scripts) {
      const script = await readFile(join(outDir, "assets", name), "utf8");
      expect(script, `${name} is for production`).not.toContain("React DevTools");
    }
    expect(await buildClient(outDir)).toEqual({ outDir, isBuilt: false });
    // As after a build of other inputs.
    await writeFile(join(outDir, ".inputs"), "others");
    await writeFile(join(outDir, "left-over"), "");
    expect(await buildClient(outDir)).toEqual({ outDir, isBuilt: true });
    expect(await readdir(outDir)).not.toContain("left-over");
    // Two at once do not get into each other's way.
    await writeFile(join(outDir, ".inputs"), "others");
    await Promise.all([buildClient(outDir), buildClient(outDir)]);
    expect(await buildClient(outDir)).toEqual({ outDir, isBuilt: false });
    // Nothing half-made stays beside it.
    expect(await readdir(dir)).toEqual(["dist"]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
