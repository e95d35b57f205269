import type { Agent } from "node:https";
import { io, type Socket } from "socket.io-client";
import { CSRF_HEADER, type routes } from "../../server/protocol/http.ts";
import type {
  Ack,
  ClientToServer,
  ServerToClient,
  TerminalOpen,
  TerminalOpened,
} from "../../server/protocol/socket.ts";
import { poll } from "../poll.ts";

type Route = (typeof routes)[keyof typeof routes];
export type TestSocket = Socket<ServerToClient, ClientToServer>;

export interface Ask {
  parameters?: Record<string, string>;
  query?: Record<string, string>;
  json?: unknown;
  bytes?: Uint8Array;
  /** Replaces what a browser would send; `undefined` leaves it out. */
  headers?: Record<string, string | undefined>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects of it
  body: any;
}

/** How a browser reaches servers, where not as this host does. */
export interface Network {
  fetch: (url: URL, options: RequestInit) => Promise<Response>;
  /** The same for sockets. */
  agent?: Agent;
}

/** What a browser does, as far as the lab server sees it: cookies, origin and the page's CSRF token. */
export class Browser {
  readonly origin: string;
  readonly cookies = new Map<string, string>();
  csrfToken = "";
  readonly #network: Network;

  constructor(origin: string, network: Network = { fetch }) {
    this.origin = origin;
    this.#network = network;
  }

  /** Opens the page: a session that nobody is signed in with. */
  async visit(): Promise<this> {
    await this.ask("GET /api/session");
    return this;
  }

  async join(code: string, name: string): Promise<Answer> {
    return await this.ask("POST /api/session/join", { json: { code, name } });
  }

  async enterAsInstructor(link: string): Promise<Answer> {
    const token = new URLSearchParams(new URL(link).hash.slice(1)).get("token");
    return await this.ask("POST /api/session/instructor", { json: { token } });
  }

  async ask(route: Route, ask: Ask = {}): Promise<Answer> {
    const [method = "GET", template = "/"] = route.split(" ");
    const path = template.replace(/:(\w+)/g, (_, name: string) => ask.parameters?.[name] ?? "unknown");
    const answer = await this.fetch(`${path}?${new URLSearchParams(ask.query)}`, {
      method,
      headers: {
        ...(method === "GET" ? {} : { origin: this.origin, [CSRF_HEADER]: this.csrfToken }),
        ...(ask.json === undefined ? {} : { "content-type": "application/json" }),
        ...ask.headers,
      },
      ...(ask.json === undefined ? {} : { body: JSON.stringify(ask.json) }),
      ...(ask.bytes ? { body: Buffer.from(ask.bytes) } : {}),
    });
    if (typeof answer.body?.csrfToken === "string") this.csrfToken = answer.body.csrfToken;
    return answer;
  }

  async fetch(
    path: string,
    options: {
      method?: string;
      headers?: Record<string, string | undefined>;
      body?: string | Buffer<ArrayBuffer>;
    } = {},
  ): Promise<Answer> {
    const headers = Object.entries({ cookie: this.cookieHeader(), ...options.headers });
    const response = await this.#network.fetch(new URL(path, this.origin), {
      ...options,
      headers: headers.filter((header): header is [string, string] => header[1] !== undefined),
      redirect: "manual",
    });
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie);
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    const body: unknown = isJson ? await response.json() : Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  }

  cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** A socket of this browser; the caller disconnects it. */
  socket(headers: Record<string, string> = {}): TestSocket {
    const { agent } = this.#network;
    return io(this.origin, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      extraHeaders: { cookie: this.cookieHeader(), origin: this.origin, ...headers },
      // In Node it takes an agent, which its types, made for browsers, don't know.
      ...(agent ? { agent: agent as unknown as boolean } : {}),
    });
  }

  #keep(setCookie: string): void {
    const [pair = "", ...attributes] = setCookie.split("; ");
    const [name = "", value = ""] = pair.split("=");
    const isGone = attributes.some((one) => /^expires=Thu, 01 Jan 1970/i.test(one));
    if (isGone) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

/** Resolves when the socket is connected, rejects with what the server said. */
export async function connected(socket: TestSocket): Promise<TestSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.once("connect_error", reject);
  await promise;
  return socket;
}

/** An event's answer; rejects with the error's body. */
export function answered<T>(ask: (ack: Ack<T>) => void, timeoutMs = 40_000): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error("no answer came")), timeoutMs);
  ask((answer) => {
    clearTimeout(timer);
    if (answer.ok) resolve(answer.value);
    else reject(answer.error);
  });
  return promise;
}

/** A terminal of a page: what it shows and where to type. */
export interface TestTerminal {
  terminalId: string;
  isWriter: boolean;
  /** Everything shown since it was opened, the screen it was opened with first. */
  text(): string;
  type(text: string): Promise<void>;
}

/** Opens a terminal and waits until the shell has said something: before that it takes no input. */
export async function openTerminal(socket: TestSocket, body: TerminalOpen): Promise<TestTerminal> {
  let text = "";
  const early: { id: string; data: string }[] = [];
  let terminalId = "";
  socket.on("terminal:output", (id, _offset, bytes) => {
    const data = Buffer.from(bytes).toString();
    if (terminalId === "") early.push({ id, data });
    else if (id === terminalId) text += data;
  });
  socket.on("terminal:snapshot", (id, _offset, snapshot) => {
    if (id === terminalId) text = snapshot;
  });
  const opened = await answered<TerminalOpened>((ack) => socket.emit("terminal:open", body, ack));
  terminalId = opened.terminalId;
  text = [opened.snapshot, ...early.filter(({ id }) => id === terminalId).map(({ data }) => data)].join("");
  await poll(() => text.trim() !== "", "the shell shows its prompt");
  return {
    terminalId,
    isWriter: opened.isWriter,
    text: () => text,
    type: (data) => new Promise((taken) => socket.emit("terminal:input", { terminalId, data }, taken)),
  };
}
