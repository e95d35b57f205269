import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { createImageBuilder, type ImageBuilder } from "../../sandboxes/images/image-builder.ts";
import type { ImageRecipe } from "../../sandboxes/images/image-recipe.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { standInCommands } from "../support/stand-in-commands.ts";

const name = `test-${process.pid}`;
let folder: string;
let events: ProgressEvent[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-build-"));
});

afterAll(async () => {
  const tags = await images();
  if (tags.length > 0) await docker("image", "rm", "--force", ...tags);
  await rm(folder, { recursive: true, force: true });
});

async function docker(...args: string[]): Promise<string> {
  return (await run(["docker", ...args], { timeoutMs: 60_000 })).stdout.trim();
}

async function images(): Promise<string[]> {
  const list = await docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", `footbridge/${name}`);
  return list.split("\n").filter(Boolean);
}

async function builders(): Promise<string[]> {
  const list = await docker("ps", "--all", "--format", "{{.Names}}", "--filter", `name=fb-build-${name}`);
  return list.split("\n").filter(Boolean);
}

async function builder(signal?: AbortSignal): Promise<ImageBuilder> {
  const paths = {
    ...hostPaths(process.env),
    stateDir: join(folder, "state"),
    cacheDir: join(folder, "cache"),
  };
  const report = (event: ProgressEvent) => events.push(event);
  events = [];
  return await createImageBuilder({ env: process.env, paths, report, ...(signal ? { signal } : {}) });
}

async function recipe(script: string, settings: Record<string, string> = {}): Promise<ImageRecipe> {
  const recipeFolder = await mkdtemp(join(folder, "recipe-"));
  await writeFile(join(recipeFolder, "build.sh"), `. /recipe-lib/lib.sh\n${script}\n`);
  return { name, folder: recipeFolder, settings, output: { kind: "rootfs" }, timeoutMs: 300_000 };
}

const quick = "mkdir -p /out/root/etc; echo $WORD >/out/root/etc/word; pack_rootfs /out/root";

test("builds once per set of inputs, tells how far it is, and keeps the host out of the result", async () => {
  const images = await builder();
  const one = await recipe(`progress 0.5 "half way"\nenv >/out/seen\n${quick}`, { WORD: "one" });
  const wanted = {
    ...one,
    files: ["seen"],
    inputs: [{ path: "deep/in", source: fileURLToPath(import.meta.url) }],
  };
  expect(await images.isPresent(wanted)).toBe(false);
  const built = await images.ensureImage(wanted);
  expect(events.map(({ state }) => state)).toEqual(["started", "progress", "progress", "done"]);
  expect(events[1]).toMatchObject({ message: "half way", fraction: expect.closeTo(0.47, 1) });
  expect(await readFile(built.files.seen ?? "", "utf8")).toContain("WORD=one");

  const config = await docker("image", "inspect", "--format", "{{json .Config}}", built.tag);
  expect(JSON.parse(config)).toMatchObject({ Labels: { "footbridge.image": name } });
  const history = await docker("image", "history", "--no-trunc", "--format", "{{.CreatedBy}}", built.tag);
  expect(`${config}${history}`).not.toMatch(/mirror|proxy|certificates|http/i);

  events = [];
  expect(await images.isPresent(wanted)).toBe(true);
  expect(await images.ensureImage(wanted)).toEqual(built);
  expect(events).toEqual([]);
  const other = await images.ensureImage({ ...wanted, settings: { WORD: "two" } });
  expect(other.tag).not.toBe(built.tag);
});

test("a failed build says what the script said last, and leaves nothing", async () => {
  const images = await builder();
  const broken = await recipe("echo the reason >&2\nexit 7");
  await expect(images.ensureImage(broken)).rejects.toMatchObject({
    code: "image_failed",
    message: expect.stringContaining("the reason"),
    hint: expect.stringMatching(/whole log is .*\.log/),
  });
  expect(await images.isPresent(broken)).toBe(false);
  expect(await builders()).toEqual([]);
});

test("an interrupted build leaves neither image nor container", async () => {
  const controller = new AbortController();
  const slow = await recipe(`progress 0.1 "waiting"\n[ ! -e /recipe/wait ] || sleep 120\n${quick}`, {
    WORD: "w",
  });
  const interrupted = await builder(controller.signal);
  const building = interrupted.ensureImage(slow);
  const ended = expect(building).rejects.toMatchObject({ code: "aborted" });
  await poll(() => events.some(({ message }) => message === "waiting"), "the build begins");
  controller.abort();
  await ended;
  expect(await interrupted.isPresent(slow)).toBe(false);
  expect(await builders()).toEqual([]);
});

test("a build that is interrupted while Docker makes its container leaves none, either", async () => {
  const [created, release] = [join(folder, "created"), join(folder, "release")];
  const real = (await run(["sh", "-c", "command -v docker"], { timeoutMs: 10_000 })).stdout;
  const commands = await standInCommands();
  const slowly = `touch ${created}; until [ -e ${release} ]; do sleep 0.05; done`;
  await commands.put("docker", `${real} "$@" || exit; [ "$1" != create ] || { ${slowly}; }`);
  vi.stubEnv("PATH", commands.path);
  onTestFinished(() => void vi.unstubAllEnvs());

  const controller = new AbortController();
  const interrupted = await builder(controller.signal);
  const building = interrupted.ensureImage(await recipe(quick, { WORD: "begun" }));
  const ended = expect(building).rejects.toMatchObject({ code: "aborted" });
  await poll(() => existsSync(created), "Docker has made the container");
  controller.abort();
  await writeFile(release, "");
  await ended;
  expect(await builders()).toEqual([]);
});

test("after an interruption a chain goes on in the middle, with what the broken build had fetched", async () => {
  const first = {
    ...(await recipe(`echo $WORD >/out/word\n${quick}`, { WORD: "first" })),
    files: ["word"],
  };
  const fetched = `/cache/apt/${name}/fetched`;
  const script = `mkdir -p ${fetched}
if [ -e ${fetched}/package ]; then
  progress 0.5 "it has $(cat ${fetched}/package)"
else
  cat /inputs/word >${fetched}/package
  progress 0.1 "waiting"
  sleep 120
fi
rm -r ${fetched}
${quick}`;
  const second = await recipe(script, { WORD: "second" });
  const buildBoth = async (images: ImageBuilder) => {
    const { key, files } = await images.ensureImage(first);
    return await images.ensureImage({ ...second, inputs: [{ path: "word", source: files.word ?? "", key }] });
  };

  const controller = new AbortController();
  const ended = expect(buildBoth(await builder(controller.signal))).rejects.toMatchObject({
    code: "aborted",
  });
  await poll(() => events.some(({ message }) => message === "waiting"), "the second build begins", {
    timeoutMs: 60_000,
  });
  controller.abort();
  await ended;
  expect(events.filter(({ state }) => state === "done")).toHaveLength(1);
  expect(await builders()).toEqual([]);

  await buildBoth(await builder());
  expect(events.filter(({ state }) => state === "started")).toHaveLength(1);
  expect(events.map(({ message }) => message)).toContain("it has first");
});

test("a builder whose process is killed takes its build with it", async () => {
  const slow = await recipe(`touch /out/began\nsleep 300\n${quick}`, { WORD: "killed" });
  const module = fileURLToPath(new URL("../../sandboxes/images/image-builder.ts", import.meta.url));
  const paths = {
    ...hostPaths(process.env),
    stateDir: join(folder, "state"),
    cacheDir: join(folder, "cache"),
  };
  const file = join(folder, "owner.mts");
  await writeFile(
    file,
    `import { createImageBuilder } from ${JSON.stringify(module)};
    const deps = { env: process.env, paths: ${JSON.stringify(paths)}, report() {} };
    await (await createImageBuilder(deps)).ensureImage(${JSON.stringify(slow)});`,
  );
  const owner = spawn(process.execPath, [file], { stdio: "ignore" });
  await poll(async () => (await builders()).length === 1, "the build begins", { timeoutMs: 60_000 });
  const [container = ""] = await builders();
  const began = async () =>
    await run(["docker", "exec", container, "test", "-e", "/out/began"], {
      timeoutMs: 10_000,
      okExitCodes: [1],
    });
  await poll(async () => (await began()).exitCode === 0, "the script runs", { timeoutMs: 60_000 });
  owner.kill("SIGKILL");
  await poll(async () => (await builders()).length === 0, "the container goes away", { timeoutMs: 60_000 });
  expect(await (await builder()).isPresent(slow)).toBe(false);
});

test("two who build the same at once build it once", async () => {
  const counted = await recipe(`sleep 3\n${quick}`, { WORD: "both" });
  const first = await builder();
  const firstEvents = events;
  const second = await builder();
  const secondEvents = events;
  const [one, two] = await Promise.all([first.ensureImage(counted), second.ensureImage(counted)]);
  expect(one).toEqual(two);
  const waits = [...firstEvents, ...secondEvents].filter(({ message }) =>
    message?.includes("another process"),
  );
  expect(waits).toHaveLength(1);
});
