import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { saveImages } from "../../sandboxes/images/image-bundle.ts";
import { ensureImages } from "../../sandboxes/images/image-set.ts";
import { run } from "../../sandboxes/run.ts";
import { labsDir } from "../../server/cli/places.ts";
import { routes } from "../../server/protocol/http.ts";
import { poll } from "../poll.ts";
import { Browser } from "../support/browser.ts";
import { type FreshHost, startFreshHost } from "../support/fresh-host.ts";
import { attemptOf } from "../support/lab-server.ts";

/**
 * A host that reaches nothing gets all of it from one file, gives a learner a sandbox, loses its Docker for a moment,
 * and is clean again in the end. The tests go in order.
 */
const START_MS = 300_000;
const BRING_UP_MS = 900_000;
const FILE = "footbridge-images.tar";
const LOG = "/var/log/footbridge.log";
/** Reached from here, and with nothing made in the background. */
const SETTINGS = "FOOTBRIDGE_HOST=0.0.0.0 FOOTBRIDGE_POOL_SIZE=0 FOOTBRIDGE_VM_TEMPLATE=false";
const FOOTBRIDGE = "sh /checkout/server/cli/first-stage.sh server/cli/main.ts";

let folder: string;
let host: FreshHost;
let learner: Browser;
let attemptId: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "footbridge-bundle-"));
  const deps = { env: process.env, paths: hostPaths(process.env), report() {} };
  await saveImages(deps, await ensureImages(deps, { labsDir, registry: "none" }), join(folder, FILE));
  host = await startFreshHost({ folders: { [folder]: "/carried" } });
}, 1_200_000);

afterAll(async () => {
  await host?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const inHost = async (script: string, timeoutMs?: number) => {
  const result = await host.inHost(`${script} 2>&1`, timeoutMs);
  expect(result.exitCode, result.stdout).toBe(0);
  return result.stdout;
};

async function untilSandbox(phase: "ready" | "degraded", timeoutMs: number): Promise<void> {
  let seen = "";
  await poll(
    async () => {
      const { sandbox } = await attemptOf(learner, attemptId);
      seen = JSON.stringify(sandbox);
      if (sandbox?.phase === "failed") throw new Error(`it failed: ${seen}`);
      return sandbox?.phase === phase;
    },
    `the sandbox is ${phase}`,
    { timeoutMs, pauseMs: 1_000 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${seen}`);
  });
}

test("one file brings the images, the start needs nothing else, and a sandbox comes up", async () => {
  // What README says such a host has already: npm, Node's library and Docker.
  await inHost("printf '#!/bin/sh\\necho 9.2.0\\n' >/usr/local/bin/npm && chmod +x /usr/local/bin/npm");
  await inHost(`${FOOTBRIDGE} --version`);
  await host.drive("docker");
  await inHost("ip route del default");

  expect(await inHost(`${FOOTBRIDGE} images load /carried/${FILE}`, 1_200_000)).toContain("load images");
  await host.inHost(`cd /checkout && ${SETTINGS} ${FOOTBRIDGE} start >${LOG} 2>&1 &`);
  let said = "";
  await poll(
    async () => {
      said = (await host.inHost(`cat ${LOG}`)).stdout;
      return /learners: /.test(said);
    },
    "the links are printed",
    { timeoutMs: START_MS, pauseMs: 500 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${said}`);
  });
  expect(said).not.toContain("build image");

  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const find = ["docker", "inspect", "--format", format, host.name] as const;
  const address = (await run(find, { timeoutMs: 20_000 })).stdout.trim();
  const code = /#code=(\S+)/.exec(said)?.[1] ?? "";
  learner = await new Browser(`http://${address}:8080`).visit();
  await learner.join(code, "Ada");
  const started = await learner.ask(routes.startAttempt, { json: { labId: "first-crossing" } });
  expect(started.status, JSON.stringify(started.body)).toBeLessThan(300);
  attemptId = started.body.id;
  await untilSandbox("ready", BRING_UP_MS);
}, 2_400_000);

test("a restart of Docker hurts the sandbox, which says so and is repaired with what the learner had", async () => {
  const file = { parameters: { attemptId }, query: { place: "vm", path: "/home/admin/kept" } };
  expect((await learner.ask(routes.upload, { ...file, bytes: Buffer.from("mine") })).status).toBeLessThan(
    300,
  );
  await inHost("pkill -x dockerd && while pgrep -x dockerd >/dev/null; do sleep 0.2; done");
  expect((await host.drive("docker")).steps).toContain("start Docker: done");
  await untilSandbox("degraded", START_MS);
  const repaired = await learner.ask(routes.repair, { parameters: { attemptId } });
  expect(repaired.status, JSON.stringify(repaired.body)).toBe(200);
  await untilSandbox("ready", BRING_UP_MS);
  const again = await learner.ask(routes.download, file);
  expect(again.status, JSON.stringify(again.body)).toBe(200);
  expect(String(again.body)).toBe("mine");
}, 1_800_000);

test("uninstalled, with a sandbox there, the host is as it was", async () => {
  expect(await inHost("docker ps -q | wc -l")).not.toBe("0");
  expect(await inHost("nft list tables")).toContain("footbridge");
  await inHost(
    // Brackets, since the shell that runs this has the words in its own command.
    "pkill -TERM -f '[m]ain.ts start' && while pgrep -f '[m]ain.ts start' >/dev/null; do sleep 0.2; done",
  );
  await inHost(`${FOOTBRIDGE} uninstall --yes`);
  const left = [
    "command -v dockerd docker",
    "ls -A /root/.local/state/footbridge /root/.cache/footbridge /usr/local/lib/footbridge /var/lib/docker",
    "nft list ruleset | grep -i -e docker -e footbridge -e 'policy drop'",
    "pgrep -a 'qemu|dockerd|containerd|kubelet'",
    "ls /sys/class/net | grep -v -e '^lo$' -e '^eth0$'",
  ];
  const look = async () =>
    (await host.inHost(`{ ${left.join("; ")}; } 2>/dev/null`)).stdout.replace("/var/lib/docker:", "").trim();
  // What Docker had started, and the interfaces it had, end a moment after it.
  await expect.poll(look, { timeout: 60_000, interval: 500 }).toBe("");
}, 600_000);
