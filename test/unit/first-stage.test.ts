import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "../../sandboxes/run.ts";
import { standInCommands } from "../support/stand-in-commands.ts";

const cli = fileURLToPath(new URL("../../server/cli", import.meta.url));

/** The first stage in a checkout of its own, on a host whose `uname` and `npm` answer as told. */
async function firstStage({ uname = "Linux x86_64", npm = "9.2.0" }) {
  const { folder, path, put, calls } = await standInCommands();
  const checkout = join(folder, "checkout");
  const modules = join(checkout, "node_modules/.bin");
  for (const made of [join(checkout, "server/cli"), modules]) await mkdir(made, { recursive: true });
  await copyFile(join(cli, "first-stage.sh"), join(checkout, "server/cli/first-stage.sh"));
  await writeFile(join(checkout, "package-lock.json"), "{}");

  const [system, processor] = uname.split(" ");
  await put("uname", `[ "$1" = -s ] && echo ${system} || echo ${processor}`);
  const answer = `[ "$1" = --version ] && echo ${npm} || touch node_modules/.package-lock.json`;
  await put("npm", npm === "" ? "exit 127" : answer);
  await put("node", "echo v26.0.0", modules);

  const start = (entry = "entry.ts") =>
    run(["sh", join(checkout, "server/cli/first-stage.sh"), entry, "--flag"], {
      timeoutMs: 10_000,
      env: { PATH: path },
      okExitCodes: [1, 3],
    });
  return { start, calls, put, folder, modules };
}

test("the command is executable, as npm would make it", async () => {
  expect((await stat(join(cli, "main.ts"))).mode & 0o111).toBe(0o111);
});

test.each(["Darwin arm64", "Darwin x86_64", "Linux aarch64"])(
  "on %s it says what to use instead, before npm is asked for anything",
  async (uname) => {
    const host = await firstStage({ uname });
    const { exitCode, stderr } = await host.start();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(uname.replace(" ", " on "));
    for (const word of ["Debian 12 or 13", "x86_64", "Docker Engine", "mmdebstrap"])
      expect(stderr).toContain(word);
    expect((await host.calls()).filter((call) => call.startsWith("npm"))).toEqual([]);
  },
);

test("on a Linux with musl it says what to use instead, before npm is asked for anything", async () => {
  const host = await firstStage({});
  // As musl's own answers.
  await host.put("ldd", "echo 'musl libc (x86_64)' >&2; exit 1");
  const { exitCode, stderr } = await host.start();
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/musl, which is not supported.*\n.*Debian 12 or 13/);
  expect((await host.calls()).filter((call) => call.startsWith("npm"))).toEqual([]);
});

test.each([
  ["", /npm is missing.*apt-get install npm/],
  ["8.19.4", /npm 9 or newer is needed, this is 8\.19\.4/],
])("an npm that won't do (`%s`) is told, and nothing is installed", async (npm, words) => {
  const host = await firstStage({ npm });
  const { exitCode, stderr } = await host.start();
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(words);
  expect((await host.calls()).filter((call) => call.startsWith("npm ci"))).toEqual([]);
});

test("a library that Node.js needs is there before a package's own script runs, and noted for the uninstall", async () => {
  const host = await firstStage({});
  const library = join(host.folder, "library");
  await host.put("node", `[ -f ${library} ] || exit 127`, host.modules);
  await host.put("id", "echo 0");
  await host.put("apt-get", `case "$*" in *install*libatomic1) touch ${library} ;; esac`);
  expect((await host.start()).exitCode).toBe(0);
  const calls = await host.calls();
  expect(calls.filter((call) => call.startsWith("npm ci"))).toEqual([
    expect.stringContaining("--ignore-scripts"),
  ]);
  expect(calls.slice(-3)).toEqual([
    "node server/cli/journal-package.ts libatomic1",
    "npm rebuild --loglevel=silent",
    "node entry.ts --flag",
  ]);
});

test("packages are brought once, then the entry runs under their Node", async () => {
  const host = await firstStage({});
  for (const start of ["first", "second"]) expect((await host.start()).exitCode, start).toBe(0);
  const calls = await host.calls();
  // Whatever NODE_ENV and npm's settings say: the page is built by dev packages.
  expect(calls.filter((call) => call.startsWith("npm ci"))).toEqual([
    "npm ci --ignore-scripts --include=dev --no-fund --no-audit --loglevel=error",
  ]);
  expect(calls.filter((call) => call.startsWith("npm rebuild"))).toHaveLength(1);
  expect(calls.at(-1)).toBe("node entry.ts --flag");
});

test("a host where packages can't compile what they would like to is none the worse for it", async () => {
  const host = await firstStage({});
  const answer =
    'case "$1" in --version) echo 9.2.0 ;; ci) touch node_modules/.package-lock.json ;; *) exit 1 ;; esac';
  await host.put("npm", answer);
  for (const start of ["first", "second"]) expect((await host.start()).exitCode, start).toBe(0);
  expect((await host.calls()).filter((call) => call.startsWith("npm ci"))).toHaveLength(1);
});

test.each([
  ["on a wrong platform", { uname: "Darwin arm64" }, 1],
  ["without npm", { npm: "" }, 1],
  ["where npm fails", {}, 3],
])("the tests' run ends with their count %s, and no other run does", async (_, options, status) => {
  const host = await firstStage(options);
  if (status === 3) await host.put("npm", '[ "$1" != --version ] || { echo 9.2.0; exit; }; exit 3');
  const tests = await host.start("test/run.ts");
  expect(tests.exitCode).toBe(status);
  expect(tests.stdout.split("\n").at(-1)).toBe("0 passed, 1 failed, 0 skipped");
  const start = await host.start();
  expect(start.exitCode).toBe(status);
  expect(start.stdout).not.toContain("passed");
});

test("tests that are reached count for themselves", async () => {
  const host = await firstStage({});
  await host.put(
    "node",
    '[ "$1" = --version ] || { echo 4 passed, 1 failed, 0 skipped; exit 1; }',
    host.modules,
  );
  const { exitCode, stdout } = await host.start("test/run.ts");
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/4 passed, 1 failed, 0 skipped$/);
});
