import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { probeKvm } from "../../sandboxes/host/kvm-probe.ts";
import { builtImage } from "../support/built-image.ts";

describe("the KVM probe", { timeout: 120_000 }, () => {
  const engine = new DockerEngine();
  const labels = { "footbridge.test": "kvm-probe" };
  let stateDir: string;
  let image: string;

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), "fb-kvm-"));
    image = await builtImage("machine");
  });
  afterAll(async () => {
    await rm(stateDir, { recursive: true });
    await engine[Symbol.asyncDispose]();
  });

  it("believes only what it has seen boot since the host did", async () => {
    const fiction = { bootId: "another boot", image, verdict: { usable: true, reason: "fiction" } };
    await writeFile(join(stateDir, "kvm.json"), JSON.stringify(fiction));
    const verdict = await probeKvm({ engine, image, labels, stateDir });
    expect(verdict.reason).not.toBe("fiction");
    expect(verdict.usable || verdict.remedy).toBeTruthy();
    expect(await engine.listContainers(labels)).toEqual([]);
  });

  it("keeps its verdict until the host boots again", async () => {
    const file = join(stateDir, "kvm.json");
    const first = await probeKvm({ engine, image, labels, stateDir });
    const kept = await readFile(file, "utf8").catch(() => undefined);
    // Without a /dev/kvm there is nothing to keep: to look is cheap.
    if (kept === undefined) return expect(first).toMatchObject({ usable: false });
    await writeFile(file, kept.replace(first.reason.slice(0, 10), "remembered"));
    expect((await probeKvm({ engine, image, labels, stateDir })).reason).toMatch(/^remembered/);
  });
});
