import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasSysResource, needsOciShim } from "../../sandboxes/host/docker-probe.ts";
import { run } from "../../sandboxes/run.ts";

const runtime = fileURLToPath(new URL("../../sandboxes/host/docker-oci-runtime.sh", import.meta.url));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-oci-"));
  // Stands where runc would be found, and says what it was called with.
  await writeFile(join(folder, "runc"), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
  await chmod(join(folder, "runc"), 0o755);
  await mkdir(join(folder, "bundle"));
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function call(...args: string[]): Promise<string> {
  const env = { PATH: `${folder}:${process.env.PATH}` };
  return (await run(["sh", runtime, ...args], { timeoutMs: 10_000, env })).stdout;
}

const lists = (names: string[]) => ({
  bounding: names,
  effective: [...names].reverse(),
  inheritable: [],
  permitted: names,
  ambient: ["CAP_SYS_RESOURCE"],
});

describe("the OCI runtime in front of runc", () => {
  test.each([
    ["first", ["CAP_SYS_RESOURCE", "CAP_CHOWN", "CAP_KILL"]],
    ["in the middle", ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_KILL"]],
    ["last", ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_RESOURCE"]],
  ])("takes the capability out of config.json where it stands %s", async (_, names) => {
    const config = {
      ociVersion: "1.0.2",
      process: {
        args: ["echo", "CAP_SYS_RESOURCE", '"bounding":["CAP_SYS_RESOURCE"]'],
        capabilities: lists(names),
        oomScoreAdj: -999,
      },
      hostname: "x",
    };
    const file = join(folder, "bundle/config.json");
    await writeFile(file, JSON.stringify(config));
    const said = await call("--root", "/r", "create", "--bundle", join(folder, "bundle"), "some-id");
    expect(said.split("\n").slice(-2)).toEqual([join(folder, "bundle"), "some-id"]);

    const { process: changed, ...rest } = JSON.parse(await readFile(file, "utf8"));
    const kept = names.filter((name) => name !== "CAP_SYS_RESOURCE");
    expect(changed).toEqual({
      args: config.process.args,
      capabilities: {
        bounding: kept,
        effective: [...kept].reverse(),
        inheritable: [],
        permitted: kept,
        ambient: [],
      },
      oomScoreAdj: 0,
    });
    expect(rest).toEqual({ ociVersion: "1.0.2", hostname: "x" });
  });

  test("mends the process file of exec, in both spellings, and nothing else", async () => {
    const file = join(folder, "process.json");
    const other = join(folder, "bundle/config.json");
    const process = JSON.stringify({ capabilities: lists(["CAP_SYS_RESOURCE"]), oomScoreAdj: 500 });
    for (const flag of [["--process", file], [`--process=${file}`]]) {
      await writeFile(file, process);
      await writeFile(other, process);
      await call("exec", ...flag, "--detach", "some-id");
      expect(await readFile(file, "utf8")).not.toContain("CAP_SYS_RESOURCE");
      expect(JSON.parse(await readFile(file, "utf8")).oomScoreAdj).toBe(500);
      expect(await readFile(other, "utf8")).toBe(process);
    }
  });

  test("passes other commands through untouched", async () => {
    expect(await call("state", "some-id")).toBe("state\nsome-id");
  });
});

describe("whether the runtime is needed", () => {
  test("only before Docker 24, and only without the capability", () => {
    expect(needsOciShim("20.10.24+dfsg1", false)).toBe(true);
    expect(needsOciShim("26.1.5+dfsg1", false)).toBe(false);
    expect(needsOciShim("20.10.24+dfsg1", true)).toBe(false);
  });

  test("is read from the bounding set", async () => {
    const file = join(folder, "status");
    await writeFile(file, "Name:\tnode\nCapBnd:\t000001fffeffffff\nCapAmb:\t0000000000000000\n");
    expect(await hasSysResource(file)).toBe(false);
    await writeFile(file, "Name:\tnode\nCapBnd:\t000001ffffffffff\n");
    expect(await hasSysResource(file)).toBe(true);
  });
});
