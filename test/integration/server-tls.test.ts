import { request } from "node:https";
import { io } from "socket.io-client";
import { expect, onTestFinished, test } from "vitest";
import { CSRF_HEADER } from "../../server/protocol/http.ts";
import { Browser, connected, type TestSocket } from "../support/browser.ts";
import { makeCertificate } from "../support/certificate.ts";
import { JOIN_CODE, startLabServer } from "../support/lab-server.ts";

const certificate = () => makeCertificate("IP:127.0.0.1");

interface Secure {
  status: number | undefined;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Fetch can't be told to trust a certificate made a moment ago. */
function ask(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<Secure>((resolve, reject) => {
    const { method = "GET", headers = {} } = options;
    const asked = request(url, { method, headers, rejectUnauthorized: false }, (response) => {
      let body = "";
      response.on("data", (data: Buffer) => {
        body += data.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    asked.on("error", reject);
    asked.end(options.body);
  });
}

test("with a certificate all ports speak HTTPS, and cookies are bound to this host", async () => {
  await using server = await startLabServer({ settings: await certificate() });
  for (const url of [server.url, server.vmWebUrl, server.clusterWebUrl]) expect(url).toMatch(/^https:/);
  const first = await ask(`${server.url}/api/session`);
  expect(first.headers["strict-transport-security"]).toMatch(/max-age=\d{7}/);
  const [cookie = ""] = first.headers["set-cookie"] ?? [];
  expect(cookie).toMatch(/^__Host-footbridge_session=[^;]+; .*Path=\/;.*HttpOnly; Secure; SameSite=Lax/);
  expect(cookie).not.toMatch(/domain=/i);

  const { csrfToken } = JSON.parse(first.body);
  const joined = await ask(`${server.url}/api/session/join`, {
    method: "POST",
    headers: {
      cookie: cookie.split(";")[0] ?? "",
      origin: server.url,
      [CSRF_HEADER]: csrfToken,
      "content-type": "application/json",
    },
    body: JSON.stringify({ code: JOIN_CODE, name: "Ada" }),
  });
  expect(joined.status).toBe(200);
  const signedIn = joined.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  const socket: TestSocket = io(server.url, {
    transports: ["websocket"],
    forceNew: true,
    reconnection: false,
    rejectUnauthorized: false,
    extraHeaders: { cookie: signedIn, origin: server.url },
  });
  onTestFinished(() => void socket.disconnect());
  await connected(socket);
  expect((await ask(server.vmWebUrl)).status).toBe(404);
});

test("a certificate that can't be read stops the start and is named", async () => {
  const { tlsCertFile } = await certificate();
  const settings = { tlsCertFile, tlsKeyFile: "/nonexistent/key.pem" };
  await expect(startLabServer({ settings })).rejects.toMatchObject({
    code: "bad_settings",
    message: expect.stringContaining("/nonexistent/key.pem"),
  });
  await expect(startLabServer({ settings: { tlsCertFile, tlsKeyFile: tlsCertFile } })).rejects.toMatchObject({
    code: "bad_settings",
  });
});

test("a port that is taken stops the start and is named", async () => {
  await using server = await startLabServer();
  const port = Number(new URL(server.url).port);
  await expect(startLabServer({ settings: { port } })).rejects.toMatchObject({
    code: "bad_settings",
    message: expect.stringContaining(`127.0.0.1:${port}`),
  });
});

test("behind a proxy the page is at the base URL, and its cookies are secure", async () => {
  const baseUrl = "https://lab.example";
  await using server = await startLabServer({ settings: { baseUrl, trustedProxies: 1 } });
  expect(server.url).toBe(baseUrl);
  expect(server.stub.app.learnerLink()).toBe(`${baseUrl}/join#code=${JOIN_CODE}`);
  const behind = new Browser(`http://127.0.0.1:${server.ports.page}`);
  const first = await behind.fetch("/api/session", { headers: { "x-forwarded-proto": "https" } });
  expect(first.headers.getSetCookie()[0]).toMatch(/^__Host-.*; Secure/);
  const join = async (origin: string) =>
    (
      await behind.fetch("/api/session/join", {
        method: "POST",
        headers: { origin, [CSRF_HEADER]: first.body.csrfToken, "content-type": "application/json" },
        body: JSON.stringify({ code: JOIN_CODE, name: "Ada" }),
      })
    ).status;
  expect(await join(behind.origin)).toBe(403);
  expect(await join(baseUrl)).toBe(200);
});

test("who is behind a trusted proxy is counted alone, who pretends to be is not believed", async () => {
  const guess = async (trustedProxies: number) => {
    await using server = await startLabServer({ settings: { trustedProxies } });
    const statuses: number[] = [];
    for (let n = 0; n < 32; n += 1) {
      const guesser = new Browser(server.url);
      await guesser.visit();
      const headers = { "x-forwarded-for": `192.0.2.${n}` };
      statuses.push(
        (await guesser.ask("POST /api/session/join", { json: { code: "guess", name: "Mallory" }, headers }))
          .status,
      );
    }
    return statuses.at(-1);
  };
  expect(await guess(1)).toBe(403);
  expect(await guess(0)).toBe(429);
});
