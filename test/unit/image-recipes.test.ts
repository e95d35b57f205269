import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readCourseApp } from "../../sandboxes/images/course-app.ts";
import { recipeKey } from "../../sandboxes/images/image-key.ts";
import type { ImageRecipe } from "../../sandboxes/images/image-recipe.ts";
import { nodeComponentRecipe } from "../../sandboxes/images/node-image-components.ts";
import { publishedNodeImage } from "../../sandboxes/images/node-image-published.ts";

let folder: string;
let recipe: ImageRecipe;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-recipe-"));
  await mkdir(join(folder, "one/files"), { recursive: true });
  await writeFile(join(folder, "one/build.sh"), "echo hello\n");
  await writeFile(join(folder, "one/files/motd"), "welcome\n");
  await writeFile(join(folder, "input"), "an input\n");
  recipe = {
    name: "hello",
    folder: join(folder, "one"),
    settings: { A: "1", B: "2" },
    inputs: [{ path: "in", source: join(folder, "input") }],
    output: { kind: "rootfs" },
    timeoutMs: 1_000,
  };
});

afterEach(async () => await rm(folder, { recursive: true, force: true }));

describe("the key of a recipe", () => {
  test("is the same for equal inputs elsewhere, in another order and with another deadline", async () => {
    await cp(join(folder, "one"), join(folder, "two"), { recursive: true });
    const elsewhere = {
      ...recipe,
      folder: join(folder, "two"),
      settings: { B: "2", A: "1" },
      timeoutMs: 9_000,
    };
    const key = await recipeKey(recipe, "builder");
    await writeFile(join(folder, "two/README.md"), "words for people\n");
    expect(key).toMatch(/^[0-9a-f]{12}$/);
    expect(await recipeKey(elsewhere, "builder")).toBe(key);
  });

  const base = { name: "base", key: "000000000000", tag: "footbridge/base:000000000000", files: {} };
  test.each<[string, () => Promise<ImageRecipe> | ImageRecipe]>([
    ["a setting", () => ({ ...recipe, settings: { A: "1", B: "3" } })],
    ["a setting's name", () => ({ ...recipe, settings: { A: "1", C: "2" } })],
    ["the output", () => ({ ...recipe, output: { kind: "rootfs", changes: ["ENV A=1"] } })],
    ["a base", () => ({ ...recipe, bases: { BASE: base } })],
    ["an input's key", () => ({ ...recipe, inputs: [{ path: "in", source: folder, key: "1" }] })],
    [
      "an input's content",
      async () => {
        await writeFile(join(folder, "input"), "another\n");
        return recipe;
      },
    ],
    [
      "a file of the folder",
      async () => {
        await writeFile(join(folder, "one/files/motd"), "hello\n");
        return recipe;
      },
    ],
    [
      "a file's mode",
      async () => {
        await chmod(join(folder, "one/files/motd"), 0o755);
        return recipe;
      },
    ],
  ])("changes with %s", async (_, change) => {
    const before = await recipeKey(recipe, "builder");
    expect(await recipeKey(await change(), "builder")).not.toBe(before);
  });

  test("changes with the builder", async () => {
    expect(await recipeKey(recipe, "builder")).not.toBe(await recipeKey(recipe, "another"));
  });
});

describe("an app's description", () => {
  test("of Inventory is valid", async () => {
    const app = await readCourseApp(fileURLToPath(new URL("../../labs/apps/inventory", import.meta.url)));
    expect(app.images.map(({ name, tag }) => `${name}:${tag}`)).toEqual(["inventory-api:1.0"]);
  });

  test.each([
    ["a file outside its folder", "files: [{ from: ../../secret, to: /a }]", "from"],
    ["a package that is none", "packages: ['-oDPkg::Pre-Invoke::=id']", "packages"],
    ["root as its user", "user: { name: root, uid: 0 }", "uid"],
    ["a word that is not known", "colour: green", "colour"],
  ])("with %s is refused by name", async (_, line, member) => {
    const image: Record<string, string> = {
      name: "name: api",
      tag: 'tag: "1.0"',
      packages: "packages: [python3]",
      files: "files: []",
      user: "user: { name: api, uid: 10001 }",
      command: "command: [/bin/true]",
      port: "port: 80",
    };
    const key = line.slice(0, line.indexOf(":"));
    const members = Object.values({ ...image, [key]: line });
    await writeFile(
      join(folder, "app.yaml"),
      `name: app\nimages:\n  - ${members[0]}\n${members
        .slice(1)
        .map((text) => `    ${text}\n`)
        .join("")}`,
    );
    await expect(readCourseApp(folder)).rejects.toMatchObject({
      code: "lab_invalid",
      message: expect.stringContaining(member),
    });
  });
});

test("the built node image has the published one's Kubernetes", async () => {
  const { folder } = nodeComponentRecipe("kubernetes");
  const [, version] = /k8s\.io\/kubernetes (v\S+)/.exec(await readFile(join(folder, "go.mod"), "utf8")) ?? [];
  expect(publishedNodeImage).toMatch(new RegExp(`:${version}@`));
});
