import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import httpProxy from "http-proxy-3";
import type { Logger } from "pino";
import { LabError, toLabError } from "../../sandboxes/errors.ts";
import type { Addresses, World } from "../access/addresses.ts";
import type { Signer } from "../access/signer.ts";
import type { Attempts } from "../attempts/attempts.ts";
import type { ConnectionLimit } from "./connection-limit.ts";
import { cleanAnswer, cleanRequest } from "./headers.ts";
import { busyPage, noAnswerPage, nothingOpenPage } from "./message-page.ts";
import { SandboxAgent } from "./sandbox-agent.ts";
import { ServiceCookie } from "./service-cookie.ts";
import type { Tickets, WebService } from "./tickets.ts";

/** Where a ticket is redeemed; the sandbox has every other path. */
const OPEN_PATH = "/_open/";

/** A TCP connection to a port of a sandbox's VM, or to a NodePort of its cluster. */
export type ConnectToSandbox = (sandboxId: string, world: World, port: number) => Promise<Duplex>;

export interface WebListenerDeps {
  world: World;
  addresses: Addresses;
  signer: Signer;
  tickets: Tickets;
  attempts: Attempts;
  connect: ConnectToSandbox;
  /** One for both worlds. */
  connections: ConnectionLimit;
  log: Logger;
  untilReady(): Promise<void>;
}

/** Refuses a WebSocket that would be one connection too many. */
const BUSY_UPGRADE = [
  "HTTP/1.1 503 Service Unavailable",
  "retry-after: 1",
  "content-length: 0",
  "connection: close",
  "\r\n",
].join("\r\n");

/** The ports on which Kubernetes opens Services at its nodes. */
const NODE_PORTS = { from: 30_000, to: 32_767 };

/** Of a node only Services are opened, not its kubelet or API server. @throws LabError `bad_request` */
export function assertWebPort({ world, port }: { world: World; port: number }): void {
  if (world === "vm" || (port >= NODE_PORTS.from && port <= NODE_PORTS.to)) return;
  throw new LabError("bad_request", `port ${port} is no NodePort`, {
    hint: `NodePorts are ${NODE_PORTS.from} to ${NODE_PORTS.to}; \`kubectl get service\` shows yours`,
  });
}

/** Address that opens the service once, for whoever has it. */
export function openUrl(origin: string, ticket: string): string {
  return `${origin}${OPEN_PATH}${ticket}`;
}

/** Serves one world's web services on a port of their own, each browser the one it has a cookie for. */
export class WebListener {
  readonly #deps: WebListenerDeps;
  readonly #cookie: ServiceCookie;
  readonly #proxy = httpProxy.createProxyServer({ xfwd: true });

  constructor(deps: WebListenerDeps) {
    this.#deps = deps;
    this.#cookie = new ServiceCookie(deps.world, deps.signer, deps.addresses.isSecure);
    this.#proxy.on("proxyRes", (answer) => cleanAnswer(answer.headers));
    this.#proxy.on("proxyReqWs", (outgoing) => {
      outgoing.prependListener("upgrade", (answer) => cleanAnswer(answer.headers));
      outgoing.prependListener("response", (answer) => cleanAnswer(answer.headers));
    });
    // Every request handles its own; what comes after its end is nobody's.
    this.#proxy.on("error", (error) => deps.log.debug({ err: error }, "web service broke off"));
  }

  readonly onRequest: RequestListener = (request, response) => {
    void this.#serve(request, response).catch((error: unknown) => {
      this.#deps.log.error({ err: toLabError(error) }, "web service request failed");
      response.destroy();
    });
  };

  /** A WebSocket of the sandbox's application. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    void this.#upgrade(request, socket, head).catch(() => socket.destroy());
  };

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isOwnHost = this.#deps.addresses.isOwnHost(request.headers.host);
    if (isOwnHost && request.url?.startsWith(OPEN_PATH)) return this.#open(request, response);
    const service = isOwnHost ? this.#cookie.read(request.headers.cookie) : undefined;
    if (!service) return say(response, 404, nothingOpenPage(request.headers["accept-language"]));
    const agent = await this.#agentFor(service);
    cleanRequest(request.headers);
    this.#proxy.web(request, response, { target: targetOf(service), agent }, (error) => {
      if (response.headersSent) return void response.destroy();
      const language = request.headers["accept-language"];
      if (isTooMany(error)) return say(response, 503, busyPage(language), { "retry-after": "1" });
      say(response, 502, noAnswerPage(service, whyNot(error), language));
    });
  }

  #open(request: IncomingMessage, response: ServerResponse): void {
    const ticket = (request.url ?? "").slice(OPEN_PATH.length).split("?", 1)[0] ?? "";
    const service =
      request.method === "GET" ? this.#deps.tickets.redeem(ticket, this.#deps.world) : undefined;
    if (service)
      response
        .writeHead(303, {
          location: "/",
          "set-cookie": this.#cookie.set(service),
          "cache-control": "no-store",
          "referrer-policy": "no-referrer",
        })
        .end();
    else say(response, 404, nothingOpenPage(request.headers["accept-language"]));
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const service = this.#cookie.read(request.headers.cookie);
    if (!service || !this.#deps.addresses.isOwnHost(request.headers.host)) return void socket.destroy();
    const agent = await this.#agentFor(service);
    cleanRequest(request.headers);
    this.#proxy.ws(request, socket, head, { target: targetOf(service), agent }, (error) => {
      if (isTooMany(error)) socket.end(BUSY_UPGRADE, () => socket.destroy());
      else socket.destroy();
    });
  }

  /** Connections of this agent lead into the sandbox the attempt has now, and nowhere else. */
  async #agentFor({ attemptId, world, port }: WebService): Promise<SandboxAgent> {
    const { attempts, connect, connections, untilReady } = this.#deps;
    await untilReady();
    return new SandboxAgent(() =>
      connections.connect(attemptId, async () => connect(attempts.sandboxOf(attemptId).id, world, port)),
    );
  }
}

/** Names the service to the proxy; the connection is the agent's affair. */
function targetOf({ port }: WebService) {
  return { protocol: "http:", host: "sandbox.invalid", port };
}

function isTooMany(error: Error): boolean {
  return error instanceof LabError && error.code === "too_many_requests";
}

function whyNot(error: Error): LabError {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof LabError) return error;
  if (code === "ECONNREFUSED") return new LabError("machine_failed", "nothing listens on this port");
  if (code === "ECONNRESET") return new LabError("machine_failed", "the connection was broken off");
  return new LabError("machine_failed", "no HTTP answer came back");
}

function say(
  response: ServerResponse,
  status: number,
  html: string,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, {
      ...headers,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'",
    })
    .end(html);
}
