import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { createLog, logOptions } from "../../server/observe/log.ts";
import { routes } from "../../server/protocol/http.ts";
import { poll } from "../poll.ts";
import { connected, openTerminal } from "../support/browser.ts";
import { attemptOf, JOIN_CODE, startAttempt, startLabServer } from "../support/lab-server.ts";

async function metricsOf(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/metrics`, { headers });
  return { status: response.status, text: await response.text() };
}

/** One sample's value. */
function sample(text: string, name: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.split(" ").at(-1));
}

test("metrics count sandboxes, claims, verdicts, terminals and requests", async () => {
  await using server = await startLabServer({ sandboxes: { room: 1 } });
  const learner = await server.learner();
  const { id } = await startAttempt(learner);
  await (await server.learner("Second")).ask(routes.startAttempt, { json: { labId: "stub-lab" } });
  const socket = await connected(learner.socket());
  await openTerminal(socket, { attemptId: id, role: "vm", name: "1", cols: 80, rows: 24 });
  await poll(async () => (await attemptOf(learner, id)).tasks[0]?.verdict !== undefined, "a verdict");
  const { text } = await metricsOf(server.url);
  expect(sample(text, 'footbridge_sandboxes{phase="ready"}')).toBe(1);
  expect(sample(text, 'footbridge_sandboxes{phase="failed"}')).toBe(0);
  expect(sample(text, 'footbridge_claims_total{outcome="given"}')).toBe(1);
  expect(sample(text, 'footbridge_claims_total{outcome="no_room"}')).toBeGreaterThan(0);
  expect(sample(text, 'footbridge_verdict_duration_seconds_count{state="failed"}')).toBe(1);
  expect(sample(text, "footbridge_terminal_viewers")).toBe(1);
  const requests = 'footbridge_http_duration_seconds_count{method="POST",route="/api/attempts",status="200"}';
  expect(sample(text, requests)).toBe(2);
  socket.disconnect();
  await poll(
    async () => sample((await metricsOf(server.url)).text, "footbridge_terminal_viewers") === 0,
    "none",
  );
});

test("metrics are for this host, not for what a proxy on it brings", async () => {
  await using server = await startLabServer();
  expect((await metricsOf(server.url)).status).toBe(200);
  expect((await metricsOf(server.url, { "x-forwarded-for": "192.0.2.1" })).status).toBe(403);
});

test("with a token, metrics are for whoever has it", async () => {
  const metricsToken = "sixteen-characters-or-more";
  await using server = await startLabServer({ settings: { metricsToken } });
  expect((await metricsOf(server.url)).status).toBe(403);
  expect((await metricsOf(server.url, { authorization: "Bearer wrong" })).status).toBe(403);
  const headers = { authorization: `Bearer ${metricsToken}`, "x-forwarded-for": "192.0.2.1" };
  expect((await metricsOf(server.url, headers)).status).toBe(200);
});

test("the log has a line per failure with its sandbox, and no secret", async () => {
  const lines: string[] = [];
  const log = pino({ ...logOptions, level: "trace" }, { write: (line: string) => void lines.push(line) });
  await using server = await startLabServer({ app: { log } });
  const learner = await server.learner("Ada Lovelace");
  const { id, sandbox } = await startAttempt(learner);
  const query = { place: "vm", path: "/home/admin/private-diary" };
  await learner.ask(routes.download, { parameters: { attemptId: id }, query });
  const link = await server.stub.app.instructorLink();
  await (await server.stranger()).enterAsInstructor(link);
  const { body } = await learner.ask(routes.openWeb, {
    parameters: { attemptId: id },
    json: { world: "vm", port: 80 },
  });
  await fetch(body.url, { redirect: "manual" });

  const text = lines.join("");
  const refused = lines.map((line) => JSON.parse(line)).find((line) => line.status === 404);
  expect(refused).toMatchObject({
    msg: "request refused",
    route: "/api/attempts/:attemptId/file",
    sandbox: sandbox?.id,
    attempt: id,
    err: { code: "not_found" },
  });
  const token = new URL(link).hash.split("=")[1] ?? "";
  const ticket = new URL(body.url).pathname.split("/")[2] ?? "";
  const secrets = [JOIN_CODE, token, ticket, learner.csrfToken, ...learner.cookies.values()];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8);
    expect(text).not.toContain(secret);
  }
  expect(text).not.toContain("Lovelace");
});

test("what is called a secret is not logged even by mistake", () => {
  const lines: string[] = [];
  const log = pino(logOptions, { write: (line: string) => void lines.push(line) });
  log.info({ headers: { cookie: "c-secret", authorization: "a-secret" }, token: "t-secret" }, "by mistake");
  expect(lines.join("")).toContain("***");
  expect(lines.join("")).not.toContain("secret");
  expect(createLog({ logLevel: "warn" }).level).toBe("warn");
});

test("the built page is served with its files, and for every address of its router", async () => {
  const clientDir = await mkdtemp(join(tmpdir(), "fb-client-"));
  onTestFinished(() => rm(clientDir, { recursive: true, force: true }));
  await writeFile(join(clientDir, "index.html"), "<!doctype html><title>Footbridge</title>");
  await writeFile(join(clientDir, "icon.svg"), "<svg/>");
  await using server = await startLabServer({ app: { clientDir } });
  const get = (path: string) => fetch(`${server.url}${path}`, { headers: { accept: "text/html" } });
  for (const path of ["/", "/join", "/attempts/1"]) {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("<title>Footbridge</title>");
    expect(response.headers.get("cache-control")).toBe("no-cache");
  }
  expect((await get("/icon.svg")).headers.get("content-type")).toContain("image/svg+xml");
  expect((await get("/missing.js")).status).toBe(404);
  expect((await get("/../../package.json")).status).toBe(404);
});
