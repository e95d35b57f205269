import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dockerHostOf, isThisHost } from "../../server/docker-host.ts";
import { describeSettings, loadSettings, variableOf } from "../../server/load-settings.ts";
import { Settings } from "../../server/settings.ts";

const HOME = "/nonexistent/home";

async function configFile(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "fb-settings-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, "config.yaml"), text);
  return join(dir, "config.yaml");
}

const messageOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("the settings were accepted"),
    (error: { code: string; message: string }) => {
      expect(error.code).toBe("bad_settings");
      return error.message;
    },
  );

test("every part talks to the Docker that the setting names, else the environment, else to the local one", () => {
  const env = { DOCKER_HOST: "tcp://lab:2375" };
  expect(dockerHostOf({ dockerHost: "unix:///own.sock" }, env)).toBe("unix:///own.sock");
  expect(dockerHostOf({}, env)).toBe("tcp://lab:2375");
  for (const none of [{}, { DOCKER_HOST: "" }])
    expect(dockerHostOf({}, none)).toBe("unix:///var/run/docker.sock");
});

test("only a Docker behind a socket file shares memory and disk with the lab server", () => {
  expect(isThisHost("unix:///var/run/docker.sock")).toBe(true);
  for (const remote of ["tcp://lab:2375", "tcp://127.0.0.1:2376", "ssh://root@lab"])
    expect(isThisHost(remote)).toBe(false);
});

test("README's table is the one made from the settings", async () => {
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  const table = /<!-- settings -->\n(.*)\n<!-- \/settings -->/s.exec(readme)?.[1];
  expect(table, "update README with describeSettings()").toBe(describeSettings());
});

test("every setting is described", () => {
  for (const [name, schema] of Object.entries(Settings.shape)) expect(schema.description, name).toBeTruthy();
});

test("without a file and variables there are defaults, in the user's own folders", async () => {
  const settings = await loadSettings({ HOME }, "/nonexistent.yaml");
  expect(settings).toMatchObject({ port: 8080, stateDir: `${HOME}/.local/state/footbridge` });
  const moved = await loadSettings({ HOME, XDG_STATE_HOME: "/srv/state", XDG_CACHE_HOME: "/srv/cache" });
  expect(moved).toMatchObject({ stateDir: "/srv/state/footbridge", cacheDir: "/srv/cache/footbridge" });
});

test("variables win over the file, the file over defaults", async () => {
  const file = await configFile("poolSize: 3\nport: 9000\negress: true\n");
  const settings = await loadSettings({
    HOME,
    FOOTBRIDGE_CONFIG: file,
    FOOTBRIDGE_POOL_SIZE: "5",
    FOOTBRIDGE_NODE_CPUS: "1.5",
    FOOTBRIDGE_JOIN_CODE: "12345",
  });
  expect(settings).toMatchObject({ poolSize: 5, port: 9000, egress: true, nodeCpus: 1.5, joinCode: "12345" });
});

test("the host's file is read where the user has none of their own", async () => {
  const file = await configFile("port: 9002\n");
  expect((await loadSettings({ HOME }, file)).port).toBe(9002);
  const home = join(file, "..", "home");
  await mkdir(join(home, ".config/footbridge"), { recursive: true });
  await writeFile(join(home, ".config/footbridge/config.yaml"), "port: 9003\n");
  expect((await loadSettings({ HOME: home }, file)).port).toBe(9003);
});

test("JSON is as good as YAML", async () => {
  const file = await configFile('{"port": 9001}');
  expect((await loadSettings({ HOME, FOOTBRIDGE_CONFIG: file })).port).toBe(9001);
});

test("everything wrong is told at once, with where it came from", async () => {
  const file = await configFile("port: 8080\npolSize: 2\nidleMinutes: soon\n");
  const message = await messageOf(
    loadSettings({
      HOME,
      FOOTBRIDGE_CONFIG: file,
      FOOTBRIDGE_EGRESS: "yes",
      FOOTBRIDGE_NODES: "9",
      FOOTBRIDGE_TLS_KEY_FILE: "/key.pem",
      FOOTBRIDGE_POOLSIZE: "2",
    }),
  );
  expect(message).toContain(`there is no setting \`polSize\` (in ${file}:2)`);
  expect(message).toContain(`\`idleMinutes\` (in ${file}:3)`);
  expect(message).toContain("`egress` (in the variable `FOOTBRIDGE_EGRESS`)");
  expect(message).toContain("`nodes` (in the variable `FOOTBRIDGE_NODES`)");
  expect(message).toContain("`tlsCertFile` and `tlsKeyFile` go together");
  expect(message).toContain("no setting for the variable `FOOTBRIDGE_POOLSIZE`");
});

test("a secret that is wrong is not repeated", async () => {
  const message = await messageOf(loadSettings({ HOME, FOOTBRIDGE_METRICS_TOKEN: "hunter2" }));
  expect(message).toContain("metricsToken");
  expect(message).not.toContain("hunter2");
});

test("a file that was asked for and is not there stops, one that may be there does not", async () => {
  expect(await messageOf(loadSettings({ HOME, FOOTBRIDGE_CONFIG: "/nonexistent.yaml" }))).toContain(
    "/nonexistent.yaml",
  );
  await expect(loadSettings({ HOME }, "/nonexistent.yaml")).resolves.toBeDefined();
});

test("a file that is no YAML, or no mapping, is refused", async () => {
  const load = async (text: string) => loadSettings({ HOME, FOOTBRIDGE_CONFIG: await configFile(text) });
  expect(await messageOf(load("port: [8080"))).toContain("no YAML");
  expect(await messageOf(load("- 8080"))).toContain("`setting: value`");
});

test("names of variables follow from names of settings", () => {
  expect(variableOf("vmDataDiskGib")).toBe("FOOTBRIDGE_VM_DATA_DISK_GIB");
});
