import { afterAll, beforeAll, expect, test } from "vitest";
import { poll } from "../poll.ts";
import { type FreshHost, startFreshHost } from "../support/fresh-host.ts";

/**
 * The way of README on the oldest Debian that it names, with the oldest npm: a clone, Debian's npm, `npm start` at a
 * terminal. It ends where Kubernetes would be built; what follows is tested where the images are. The tests go in order.
 */
const STEP_MS = 900_000;
const LOG = "/var/log/start.log";
const KEYS = "/run/keys-typed";
const EXIT = "/run/start-exit";

let host: FreshHost;
let before: string[];

beforeAll(async () => {
  host = await startFreshHost({ debian: 12, isCloned: true });
  await inHost("apt-get -q update && apt-get -q install -y --no-install-recommends npm", STEP_MS);
  before = await packages();
}, STEP_MS);

afterAll(async () => {
  await host?.[Symbol.asyncDispose]();
});

async function inHost(script: string, timeoutMs?: number): Promise<string> {
  const result = await host.inHost(`cd /checkout; { ${script}; } 2>&1`, timeoutMs);
  expect(result.exitCode, result.stdout).toBe(0);
  return result.stdout;
}

const packages = async () => (await inHost("dpkg -l | awk '/^ii/ { print $2 }'")).split("\n");

/** `npm start` at a terminal of its own, where somebody types Ctrl-C once it says `until`. */
async function startAndInterrupt(until: string): Promise<string> {
  await inHost(`rm -f ${KEYS} ${LOG} ${EXIT} && mkfifo ${KEYS}`);
  // Opened to read and write, so that nobody need hold the other end.
  const start = `script --quiet --return --flush --command 'stty cols 120; npm start' ${LOG} <>${KEYS}`;
  await inHost(`{ ${start}; echo $? >${EXIT}; } >/dev/null 2>&1 & :`);
  let said = "";
  const hasEnded = async () => (await host.inHost(`test -s ${EXIT}`)).exitCode === 0;
  const look = async () => {
    said = (await host.inHost(`cat ${LOG}`)).stdout;
    return said.includes(until) || (await hasEnded());
  };
  await poll(look, `it says "${until}"`, { timeoutMs: STEP_MS, pauseMs: 500 }).catch((error: Error) => {
    throw new Error(`${error.message}: ${said}`);
  });
  expect(said).toContain(until);
  await inHost(`printf '\\003' >${KEYS}`);
  await poll(hasEnded, "it ends", { timeoutMs: STEP_MS, pauseMs: 500 });
  expect(await inHost(`cat ${EXIT}`)).not.toBe("0");
  return await inHost(`cat ${LOG}`);
}

test("Debian's npm brings the packages, and with them the Node that runs them, once", async () => {
  expect(await inHost("npm --version; node --version")).toMatch(/^9\..*\nv18\./);
  const first = await inHost("npm start -- --help", STEP_MS);
  expect(first).toContain("bringing npm packages");
  expect(first).toMatch(/added \d+ packages/);
  expect(first).toContain("Usage: footbridge start");
  // It is no news to anybody that Debian's Node is older than the packages want.
  expect(first).not.toMatch(/EBADENGINE|deprecated/);
  const [, major] = /^v(\d+)\./.exec(await inHost("node_modules/.bin/node --version")) ?? [];
  expect(Number(major)).toBeGreaterThanOrEqual(26);

  const second = await inHost("npm start -- --help");
  expect(second).not.toContain("bringing npm packages");
  expect(second).toContain("Usage: footbridge start");
  expect(await inHost("npx footbridge --help")).toContain("Usage: footbridge");
}, 1_200_000);

test("`npm start` says what it installs and does it; Ctrl-C ends it, and it says that it can go on", async () => {
  const said = await startAndInterrupt("make the image builder");
  expect(said).toMatch(/… install docker\.io: with apt-get, because Docker needs it/);
  expect(said).toContain("✓ install docker.io");
  expect(said).toMatch(/✓ start Docker.*: Docker 20\.10\./);
  expect(said).toMatch(/footbridge: the set-up was interrupted \(hint: `npm start` goes on where it was/);
  expect(await inHost("docker ps --all --quiet; docker images --quiet")).toBe("");
}, 1_800_000);

test("started again it goes on where it was, up to the first image, and leaves no half of one", async () => {
  const said = await startAndInterrupt("build image");
  for (const done of ["bringing npm packages", "install docker.io", "start Docker"])
    expect(said).not.toContain(done);
  expect(said).toContain("✓ make the image builder");
  expect(said).toContain("the set-up was interrupted");
  expect(await inHost("docker ps --all --format '{{.Names}}: {{.Status}}'")).toBe("");
  const images = await inHost("docker images --format '{{.Repository}}' | grep -v '^debian$'");
  expect(images).toBe("footbridge/builder");
}, 1_800_000);

test("uninstalled, the host is as it was", async () => {
  await inHost("npx footbridge uninstall --yes", STEP_MS);
  expect(await packages()).toEqual(before);
  const left =
    "command -v dockerd docker; ls -A /root/.local/state/footbridge /root/.cache/footbridge /usr/local/lib/footbridge /var/lib/docker; pgrep dockerd";
  expect((await host.inHost(`{ ${left}; } 2>/dev/null`)).stdout.replace("/var/lib/docker:", "").trim()).toBe(
    "",
  );
}, 900_000);
