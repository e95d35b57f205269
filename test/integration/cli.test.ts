import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { toolboxName } from "../../sandboxes/cluster/names.ts";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { run, shellQuote } from "../../sandboxes/run.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { builtImage } from "../support/built-image.ts";

/** The command as somebody calls it: the file itself, in a process of its own. */
const command = fileURLToPath(new URL("../../server/cli/main.ts", import.meta.url));
const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;

const finding = z.strictObject({
  name: z.enum(["docker", "kvm", "registry", "cgroup", "cpu", "memory", "disk", "network"]),
  state: z.enum(["good", "weak", "bad"]),
  found: z.string().min(1),
  remedy: z.string().min(1).optional(),
});
const report = z.strictObject({
  findings: z.array(finding.refine((one) => one.state === "good" || one.remedy, "it names no remedy")),
});

let folder: string;
/** A state of its own, and a Docker that is not there: nothing of this host can be touched. */
let away: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-cli-"));
  away = {
    FOOTBRIDGE_DOCKER_HOST: `unix://${folder}/no-docker.sock`,
    FOOTBRIDGE_STATE_DIR: join(folder, "state"),
    FOOTBRIDGE_CACHE_DIR: join(folder, "cache"),
  };
});

afterAll(async () => await rm(folder, { recursive: true, force: true }));

const footbridge = (args: string[], env: Record<string, string> = {}) =>
  run([command, ...args], { timeoutMs: 600_000, env: { PATH, ...env }, okExitCodes: [1, 2] });

describe("the command", () => {
  test("says what it can do", async () => {
    const { stdout, exitCode } = await footbridge(["--help"]);
    expect(exitCode).toBe(0);
    for (const name of ["start", "doctor", "images", "sandbox", "labs", "uninstall"])
      expect(stdout).toMatch(new RegExp(`^ +${name} `, "m"));
    expect((await footbridge(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("refuses what it does not know", async () => {
    const { stderr, exitCode } = await footbridge(["frobnicate"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("frobnicate");
  });

  test("names wrong settings, with an exit status of their own", async () => {
    const { stderr, exitCode } = await footbridge(["doctor"], {
      FOOTBRIDGE_NODES: "9",
      FOOTBRIDGE_NODS: "1",
    });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("`nodes` (in the variable `FOOTBRIDGE_NODES`)");
    expect(stderr).toContain("FOOTBRIDGE_NODS");
  });
});

describe("`npx footbridge` in the checkout", () => {
  const checkout = fileURLToPath(new URL("../..", import.meta.url));
  const ownPath = (process.env.PATH ?? "").split(":").filter((one) => !one.endsWith("node_modules/.bin"));
  /** As typed into a shell that knows nothing of the packages. */
  const npx = (path: string[], ...args: string[]) =>
    run(["npx", "--offline", "footbridge", ...args], {
      timeoutMs: 120_000,
      cwd: checkout,
      env: { PATH: path.join(":") },
    });

  test("is the command", async () => {
    expect((await npx(ownPath, "--help")).stdout).toMatch(/^ +doctor /m);
    expect((await npx(ownPath, "labs", "lint")).stdout).toBe("every lab is sound");
  });

  test("runs on the Node that npm brought, although the host's is too old for TypeScript", async (context) => {
    const system = "/usr/bin/node";
    const knows = ["-p", "process.version + ' ' + (process.features.typescript ?? false)"];
    const { stdout } = await run([system, ...knows], { timeoutMs: 10_000 }).catch(() => ({ stdout: "" }));
    if (!stdout.endsWith(" false"))
      return context.skip(`needs an old Node as ${system}; there is ${stdout || "none"}`);
    const first = join(folder, "old-node");
    await mkdir(first);
    await symlink(system, join(first, "node"));
    const path = [first, ...ownPath];
    await expect(
      run([join(first, "node"), command, "--help"], { timeoutMs: 30_000, env: { NODE_OPTIONS: "" } }),
    ).rejects.toThrow(/ERR_UNKNOWN_FILE_EXTENSION/);
    expect((await npx(path, "--help")).stdout).toMatch(/^ +doctor /m);
    expect((await npx(path, "labs", "lint")).stdout).toBe("every lab is sound");
  });
});

describe("doctor", () => {
  // No registry is asked: a test talks to nobody outside this host.
  const registry = { FOOTBRIDGE_REGISTRY: "none" };

  test("gives findings as JSON, each with a remedy unless it is good", async () => {
    const { stdout, exitCode } = await footbridge(["doctor", "--json"], registry);
    const { findings } = report.parse(JSON.parse(stdout));
    expect(findings.map(({ name }) => name).sort()).toEqual(finding.shape.name.options.toSorted());
    expect(findings[0]).toMatchObject({ name: "docker", state: "good" });
    expect(exitCode).toBe(findings.some(({ state }) => state === "bad") ? 1 : 0);
  });

  test("gives them where Docker is away, too, although images were there once", async () => {
    const node = {
      image: "n",
      kindBinary: "k",
      kubectlBinary: "c",
      kubernetesVersion: "v1",
      source: "built",
    };
    const set = {
      machine: "m",
      toolbox: "t",
      node: { ...node, enforcesNetworkPolicy: true },
      sourcesKey: "s",
    };
    await mkdir(join(folder, "cache"));
    await writeFile(join(folder, "cache/image-set.json"), JSON.stringify({ ...set, registry: "none" }));
    const { stdout, exitCode } = await footbridge(["doctor", "--json"], { ...away, ...registry });
    expect(exitCode).toBe(1);
    const { findings } = report.parse(JSON.parse(stdout));
    const byName = Object.fromEntries(findings.map((one) => [one.name, one]));
    expect(byName.docker).toMatchObject({ state: "bad", remedy: expect.stringContaining("npm start") });
    expect(byName.kvm).toMatchObject({ state: "weak", found: expect.stringContaining("not known") });

    const { stdout: words } = await footbridge(["doctor"], { ...away, ...registry });
    expect(words).toMatch(/^✗ docker .*\n +→ .*npm start/m);
  });
});

test("images build names what there is", async () => {
  const { stdout, exitCode } = await footbridge(["images", "build"]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^machine +footbridge\/\S+$/m);
  expect(stdout).toMatch(/^toolbox +footbridge\/\S+$/m);
  expect(stdout).toMatch(/^node +footbridge\/node:\S+ \((built|published), Kubernetes v1\.\d+\.\d+, /m);
});

describe("labs lint", () => {
  const labs = fileURLToPath(new URL("../../labs", import.meta.url));

  test("finds our own sound", async () => {
    expect(await footbridge(["labs", "lint"])).toMatchObject({ exitCode: 0, stdout: "every lab is sound" });
  });

  test("says file and line of what is wrong", async () => {
    const broken = join(folder, "labs");
    await cp(labs, broken, { recursive: true });
    const file = join(broken, "first-crossing/tasks.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replace("tasks:", "tasks: ["));
    const { stdout, exitCode } = await footbridge(["labs", "lint", broken]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/first-crossing\/tasks\.yaml:\d+/);
  });
});

describe("sandbox", () => {
  const id = `c${randomBytes(3).toString("hex")}`;
  const engine = new DockerEngine();

  beforeAll(async () => {
    await engine.runContainer({
      name: toolboxName(id),
      image: await builtImage("toolbox"),
      labels: {
        [LABELS.sandbox]: id,
        [LABELS.installation]: "cli-tests",
        [LABELS.placement]: "beside",
      },
      network: { name: "none" },
      capabilities: [],
    });
  });

  afterAll(async () => {
    await engine.removeContainer(toolboxName(id));
    await engine[Symbol.asyncDispose]();
  });

  test("ls lists it", async () => {
    expect((await footbridge(["sandbox", "ls"])).stdout).toMatch(
      new RegExp(`^${id}  1 of 1 running  toolbox$`, "m"),
    );
  });

  test("shell opens the admin's shell in it, with its exit status", async () => {
    const shell = shellQuote([command, "sandbox", "shell", id, "cluster"]);
    const { stdout, exitCode } = await run(["script", "-qec", shell, "/dev/null"], {
      timeoutMs: 60_000,
      env: { PATH },
      input: "echo $(whoami) =$((6*7)); exit 3\n",
      okExitCodes: [3],
    });
    expect(stdout).toContain("admin =42");
    expect(exitCode).toBe(3);
  });

  test("shell asks for a terminal, and names a sandbox that is not there", async () => {
    expect((await footbridge(["sandbox", "shell", id])).stderr).toContain("a shell needs a terminal");
    const gone = await footbridge(["sandbox", "destroy", "nowhere"]);
    expect(gone).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("no sandbox `nowhere`") });
  });

  test("destroy takes it away", async () => {
    expect((await footbridge(["sandbox", "destroy", id])).stdout).toBe(`${id} is gone`);
    expect(await engine.inspectContainer(toolboxName(id))).toBeUndefined();
  });
});

test("uninstall takes nothing away unless somebody says yes", async () => {
  const { stderr, exitCode } = await footbridge(["uninstall"], away);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("nothing was taken away");
});

test("what only looks makes no installation", async () => {
  expect(await readdir(join(folder, "state")).catch(() => [])).toEqual([]);
});
