import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type Server } from "node:http";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import httpProxy from "http-proxy-3";
import { expect, onTestFinished, test } from "vitest";
import { routes } from "../../server/protocol/http.ts";
import { poll } from "../poll.ts";
import { Browser, connected, type Network, openTerminal } from "../support/browser.ts";
import { makeCertificate } from "../support/certificate.ts";
import { JOIN_CODE, startAttempt, startLabServer } from "../support/lab-server.ts";

const NAMES = { page: "lab.test", vm: "vm.lab.test", cluster: "cluster.lab.test" };

/** Listens on a free port until the test has ended. */
async function listen(server: Pick<Server, "listen" | "address" | "close" | "closeAllConnections">) {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** One port with TLS for three names, each handed on to where `targets` says by then; as the README's nginx does. */
async function startProxy() {
  const { tlsKeyFile, tlsCertFile } = await makeCertificate(
    ...Object.values(NAMES).map((name) => `DNS:${name}`),
  );
  const [key, cert] = [await readFile(tlsKeyFile), await readFile(tlsCertFile)];
  const targets = new Map<string, string>();
  const proxy = httpProxy.createProxyServer({ xfwd: true, ws: true });
  const targetOf = (host = "") => ({ target: targets.get(host.split(":", 1)[0] ?? "") ?? "" });
  const server = createServer({ key, cert }, (incoming, response) => {
    proxy.web(incoming, response, targetOf(incoming.headers.host), () => void response.destroy());
  });
  server.on("upgrade", (incoming, socket, head) =>
    proxy.ws(incoming, socket, head, targetOf(incoming.headers.host), () => void socket.destroy()),
  );
  return { port: await listen(server), cert, targets };
}

/** A network in which every name leads to this host, and this certificate is trusted. */
function networkOf(ca: Buffer): Network {
  const agent = new Agent({
    ca,
    lookup: (_name, { all }, found) =>
      all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4),
  });
  onTestFinished(() => agent.destroy());
  return {
    agent,
    fetch: (url, { method = "GET", headers, body }) =>
      new Promise((resolve, reject) => {
        const sent = Object.fromEntries(new Headers(headers));
        const asked = request(url, { method, agent, headers: sent }, async (answer) => {
          const parts = await answer.toArray();
          const status = answer.statusCode ?? 0;
          const got = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
            values.map((value): [string, string] => [name, value]),
          );
          resolve(new Response(Buffer.concat(parts), { status, headers: got }));
        });
        asked.on("error", reject);
        asked.end(body);
      }),
  };
}

test("behind a reverse proxy with TLS one joins, works in a terminal and opens a web service", async () => {
  const proxy = await startProxy();
  const at = (name: string) => `https://${name}:${proxy.port}`;
  const service = createHttpServer((incoming, response) =>
    response.end(`${incoming.url} ${incoming.headers["x-forwarded-proto"]}`),
  );
  const servicePort = await listen(service);
  await using server = await startLabServer({
    settings: {
      baseUrl: at(NAMES.page),
      vmWebUrl: at(NAMES.vm),
      clusterWebUrl: at(NAMES.cluster),
      trustedProxies: 1,
    },
    sandboxes: { ports: () => servicePort },
  });
  for (const part of ["page", "vm", "cluster"] as const)
    proxy.targets.set(NAMES[part], `http://127.0.0.1:${server.ports[part]}`);
  const network = networkOf(proxy.cert);

  const learner = await new Browser(server.url, network).visit();
  expect((await learner.join(JOIN_CODE, "Ada")).status).toBe(200);
  expect([...learner.cookies.keys()]).toEqual([expect.stringMatching(/^__Host-/)]);
  const { id: attemptId } = await startAttempt(learner);

  for (const origin of [at(NAMES.vm), "https://evil.example"]) {
    const refused = learner.socket({ origin });
    onTestFinished(() => void refused.disconnect());
    await expect(connected(refused)).rejects.toThrow();
  }
  const socket = learner.socket();
  onTestFinished(() => void socket.disconnect());
  await connected(socket);
  const shell = await openTerminal(socket, { attemptId, role: "vm", name: "1", cols: 80, rows: 24 });
  await shell.type("echo through-$((6*7))\r");
  await poll(() => shell.text().includes("through-42"), "the terminal's output");

  for (const [world, port] of [
    ["vm", 80],
    ["cluster", 30_080],
  ] as const) {
    const ticket = await learner.ask(routes.openWeb, { parameters: { attemptId }, json: { world, port } });
    const opened = new URL(ticket.body.url);
    expect(opened.origin).toBe(at(NAMES[world]));
    const tab = new Browser(opened.origin, network);
    expect(await tab.fetch(opened.pathname)).toMatchObject({ status: 303 });
    expect(String((await tab.fetch("/stock")).body)).toMatch(/^\/stock https/);
  }
});
