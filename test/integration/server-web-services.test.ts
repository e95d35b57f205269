import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routes } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { Browser } from "../support/browser.ts";
import { type LabServer, startAttempt, startLabServer } from "../support/lab-server.ts";

/** An application of the sandbox: tells what it was sent, sets cookies, speaks WebSocket by echoing. */
let service: Server;
let servicePort: number;
let lastRequest: IncomingMessage | undefined;
/** Requests for `/waiting`, which are answered when a test does so. */
const waiting: ServerResponse[] = [];

let server: LabServer;
let learner: Browser;
let other: Browser;
let attempt: AttemptView;
let now = Date.now();

const COOKIES = ["footbridge_session=stolen; Path=/", "footbridge_vm=stolen", "theirs=1; Path=/"];

beforeAll(async () => {
  service = createServer((incoming, response) => {
    lastRequest = incoming;
    response.setHeader("set-cookie", COOKIES);
    response.setHeader("clear-site-data", '"cookies"');
    let body = "";
    incoming.on("data", (data: Buffer) => {
      body += data.toString();
    });
    if (incoming.url === "/waiting") return void waiting.push(response);
    incoming.on("end", () => response.end(`${incoming.method} ${incoming.url} ${body}`));
  });
  service.on("upgrade", (incoming, socket) => {
    lastRequest = incoming;
    const accept = createHash("sha1")
      .update(`${incoming.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    const lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: Upgrade"];
    lines.push(`sec-websocket-accept: ${accept}`, ...COOKIES.map((cookie) => `set-cookie: ${cookie}`));
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  servicePort = (service.address() as AddressInfo).port;
  server = await startLabServer({
    sandboxes: {
      ports: (world, port) => ((world === "vm" ? port === 80 : port === 30080) ? servicePort : undefined),
    },
    app: { clock: () => new Date(now) },
  });
  learner = await server.learner("Ada");
  other = await server.learner("Grace");
  attempt = await startAttempt(learner);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  service.closeAllConnections();
  service.close();
});

const ticketFor = async (world: "vm" | "cluster", port: number) => {
  const parameters = { attemptId: attempt.id };
  return await learner.ask(routes.openWeb, { parameters, json: { world, port } });
};

/** Opens a service the way a tab does; the browser has the page's cookies too, since hosts share them over ports. */
async function openTab(world: "vm" | "cluster", port: number): Promise<Browser> {
  const { body } = await ticketFor(world, port);
  const url = new URL(body.url);
  const tab = new Browser(url.origin);
  for (const [name, value] of learner.cookies) tab.cookies.set(name, value);
  const answer = await tab.fetch(url.pathname);
  expect(answer.status).toBe(303);
  expect(answer.headers.get("location")).toBe("/");
  return tab;
}

const textOf = (answer: { body: unknown }) => String(answer.body);

test("services of the VM and of the cluster open, each on its own port", async () => {
  expect(new Set([server.url, server.vmWebUrl, server.clusterWebUrl]).size).toBe(3);
  const inVm = await openTab("vm", 80);
  expect(inVm.origin).toBe(server.vmWebUrl);
  expect(textOf(await inVm.fetch("/stock?item=7"))).toBe("GET /stock?item=7 ");
  expect(textOf(await inVm.fetch("/stock", { method: "POST", body: "count=3" }))).toBe("POST /stock count=3");
  const inCluster = await openTab("cluster", 30080);
  expect(inCluster.origin).toBe(server.clusterWebUrl);
  expect(textOf(await inCluster.fetch("/api"))).toBe("GET /api ");
});

test("the sandbox sees its own cookies and none of ours", async () => {
  const tab = await openTab("vm", 80);
  tab.cookies.set("theirs", "1");
  expect(tab.cookieHeader()).toContain("footbridge_session=");
  await tab.fetch("/");
  expect(lastRequest?.headers.cookie).toBe("theirs=1");
});

test("the sandbox sets its own cookies and none of ours, and can't clear the host's", async () => {
  const tab = await openTab("vm", 80);
  const { headers } = await tab.fetch("/");
  expect(headers.getSetCookie()).toEqual(["theirs=1; Path=/"]);
  expect(headers.get("clear-site-data")).toBeNull();
});

test("a path that looks like an address leads nowhere else", async () => {
  const tab = await openTab("vm", 80);
  const answer = await new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(tab.origin);
    const asked = request(
      { hostname, port, path: "http://169.254.169.254/latest", headers: { cookie: tab.cookieHeader() } },
      (response) => {
        let body = "";
        response.on("data", (data: Buffer) => {
          body += data.toString();
        });
        response.on("end", () => resolve(body));
      },
    );
    asked.on("error", reject);
    asked.end();
  });
  expect(answer).toContain("/latest");
  expect(lastRequest?.socket.localPort).toBe(servicePort);
});

describe("tickets", () => {
  test("a ticket works once", async () => {
    const url = new URL((await ticketFor("vm", 80)).body.url);
    const tab = new Browser(url.origin);
    expect((await tab.fetch(url.pathname)).status).toBe(303);
    const again = await new Browser(url.origin).fetch(url.pathname);
    expect(again.status).toBe(404);
    expect(again.headers.getSetCookie()).toEqual([]);
  });

  test("a ticket works for half a minute", async () => {
    const url = new URL((await ticketFor("vm", 80)).body.url);
    now += 31_000;
    expect((await new Browser(url.origin).fetch(url.pathname)).status).toBe(404);
  });

  test("a ticket works in its own world only", async () => {
    const url = new URL((await ticketFor("vm", 80)).body.url);
    expect((await new Browser(server.clusterWebUrl).fetch(url.pathname)).status).toBe(404);
    expect((await new Browser(server.vmWebUrl).fetch(url.pathname)).status).toBe(303);
  });

  test("a ticket that was made up opens nothing", async () => {
    const { status } = await new Browser(server.vmWebUrl).fetch(
      `/_open/${randomBytes(32).toString("base64url")}`,
    );
    expect(status).toBe(404);
  });

  test("of a node only NodePorts open", async () => {
    for (const port of [6443, 10250, 22])
      expect((await ticketFor("cluster", port)).body.code).toBe("bad_request");
  });
});

describe("cookies of a service", () => {
  test("without one nothing is proxied", async () => {
    lastRequest = undefined;
    const answer = await new Browser(server.vmWebUrl).fetch("/");
    expect(answer.status).toBe(404);
    expect(textOf(answer)).toContain("No web service is open here");
    expect(lastRequest).toBeUndefined();
  });

  test("a changed one opens nothing: neither another port, nor another attempt, nor the other world", async () => {
    const tab = await openTab("vm", 80);
    const theirs = await startAttempt(other);
    const [name = "", value = ""] = [...tab.cookies].find(([key]) => key.endsWith("_vm")) ?? [];
    lastRequest = undefined;
    for (const changed of [
      value.replace("vm:80:", "vm:22:"),
      value.replace(attempt.id, theirs.id),
      value.replace("vm:", "cluster:"),
      value.slice(0, -2),
    ]) {
      expect(changed).not.toBe(value);
      tab.cookies.set(name, changed);
      expect((await tab.fetch("/")).status).toBe(404);
    }
    const cluster = new Browser(server.clusterWebUrl);
    cluster.cookies.set("footbridge_cluster", value);
    expect((await cluster.fetch("/")).status).toBe(404);
    expect(lastRequest).toBeUndefined();
  });

  test("it is of no use at the page", async () => {
    const tab = await openTab("vm", 80);
    const thief = new Browser(server.url);
    thief.cookies.set("footbridge_session", tab.cookies.get("footbridge_vm") ?? "");
    expect((await thief.ask(routes.labs)).status).toBe(401);
  });
});

test("where nothing listens, the page says so, in the reader's language", async () => {
  const tab = await openTab("vm", 81);
  const answer = await tab.fetch("/");
  expect(answer.status).toBe(502);
  expect(textOf(answer)).toMatch(/Port 81 of your VM did not answer.*nothing listens on this port/s);
  expect(textOf(await tab.fetch("/", { headers: { "accept-language": "zh-CN,zh" } }))).toContain("没有应答");
});

describe("WebSockets", () => {
  /** The answer's head and, after an upgrade, what the service echoes. */
  async function upgrade(
    origin: string,
    headers: Record<string, string>,
    onRefused: (response: IncomingMessage) => void = () => {},
  ) {
    const { hostname, port } = new URL(origin);
    const asked = request({
      hostname,
      port,
      path: "/live",
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        ...headers,
      },
    });
    return await new Promise<{ headers: IncomingMessage["headers"]; echo: string } | undefined>((resolve) => {
      asked.on("upgrade", (response, socket) => {
        socket.write("ping-pong");
        socket.once("data", (data: Buffer) => {
          resolve({ headers: response.headers, echo: data.toString() });
          socket.destroy();
        });
      });
      asked.on("response", (response) => {
        onRefused(response);
        resolve(undefined);
      });
      asked.on("error", () => resolve(undefined));
      asked.end();
    });
  }

  test("they reach the service, without our cookies either way", async () => {
    const tab = await openTab("vm", 80);
    const answer = await upgrade(tab.origin, { cookie: `${tab.cookieHeader()}; theirs=1` });
    expect(answer?.echo).toBe("ping-pong");
    expect(lastRequest?.headers.cookie).toBe("theirs=1");
    expect(answer?.headers["set-cookie"]).toEqual(["theirs=1; Path=/"]);
  });

  test("connections of one attempt are bounded, in both worlds together, and free again when they are over", async () => {
    const [tab, inCluster] = [await openTab("vm", 80), await openTab("cluster", 30080)];
    const leaving = new AbortController();
    const hanging = Array.from({ length: 32 }, (_, index) => {
      const { origin } = index % 2 === 0 ? tab : inCluster;
      const headers = { cookie: (index % 2 === 0 ? tab : inCluster).cookieHeader() };
      return fetch(new URL("/waiting", origin), { headers, signal: leaving.signal }).catch(() => undefined);
    });
    await poll(() => waiting.length === 32, "all of them have come");
    const refused = await tab.fetch("/");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(textOf(refused)).toContain("Too many requests at once");
    let status: number | undefined;
    const answer = await upgrade(tab.origin, { cookie: tab.cookieHeader() }, ({ statusCode }) => {
      status = statusCode;
    });
    expect([answer, status]).toEqual([undefined, 503]);

    for (const response of waiting.splice(0, 16)) response.end("done");
    await poll(async () => (await tab.fetch("/")).status === 200, "there is room again");
    expect((await upgrade(tab.origin, { cookie: tab.cookieHeader() }))?.echo).toBe("ping-pong");
    leaving.abort();
    await Promise.all(hanging);
    waiting.length = 0;
    // Where every connection of readers who left had been kept, the last of these would find no room.
    for (let round = 0; round < 3; round += 1) {
      const again = await Promise.all(Array.from({ length: 6 }, () => tab.fetch("/")));
      expect(again.map((one) => one.status)).toEqual(Array.from({ length: 6 }, () => 200));
    }
  });

  test("without a cookie they are cut off", async () => {
    lastRequest = undefined;
    expect(await upgrade(server.vmWebUrl, {})).toBeUndefined();
    expect(lastRequest).toBeUndefined();
  });
});

test("after the attempt's end the open tab leads nowhere", async () => {
  const tab = await openTab("vm", 80);
  await learner.ask(routes.endAttempt, { parameters: { attemptId: attempt.id } });
  await poll(async () => {
    lastRequest = undefined;
    return (await tab.fetch("/")).status === 502;
  }, "it is told to be gone");
  expect(lastRequest).toBeUndefined();
});
