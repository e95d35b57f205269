import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Request, type Response } from "express";
import helmet from "helmet";
import { Server } from "socket.io";
import { buildClient } from "../../../client/build.ts";
import { type ErrorBody, routes } from "../../../server/protocol/http.ts";
import type { ClientToServer, ServerToClient } from "../../../server/protocol/socket.ts";
import type {
  AttemptView,
  LabSummary,
  Language,
  RoomView,
  SessionView,
} from "../../../server/protocol/views.ts";
import { attempt, blocks, labs, learner, room, tasks } from "./sample-views.ts";

/** What the scripted server answers; tests change it and look at the page. */
export interface Script {
  session: SessionView;
  labs(language: Language): LabSummary[];
  current: AttemptView | null;
  attempt: AttemptView;
  room: RoomView;
  /** Answers a route with an error instead, by `METHOD /path` as in the protocol. */
  failures: Map<string, { status: number; code: string; message: string; hint?: string }>;
  /** Answers what sockets ask with this instead, as a server does that is not ready. */
  refusal: ErrorBody | undefined;
  /** Leaves what sockets ask of the attempt without an answer, as a connection does that is lost on the way. */
  isSilent: boolean;
  /** What a terminal shows when it is opened, by role. */
  screens: Record<string, string>;
  files: Map<string, string>;
}

export interface ScriptedServer extends AsyncDisposable {
  /** Its address, once it listens. */
  readonly url: string;
  script: Script;
  /** Bodies of requests that change something, as `METHOD /path` and body. */
  requests: { route: string; body: unknown }[];
  /** Text typed into terminals, by role. */
  typed: Map<string, string>;
  /** Leaves a route without an answer until the function it gives is called. */
  hold(route: string): () => void;
  /** Tells pages that a shell's place is out of reach. */
  loseShell(terminalId: string, reason: ErrorBody): void;
  /** Builds the page if need be, and serves it. */
  listen(): Promise<void>;
  /** Tells watching pages that the attempt is now this. */
  push(attempt: AttemptView): void;
  /** Answers sockets again, and tells them so. */
  becomeReady(): void;
  /** Cuts every socket and refuses new ones until it is called again with true. */
  setReachable(isReachable: boolean): void;
  /** Sockets that were refused. */
  refused(): number;
  /** What sockets asked and got no answer to. */
  unanswered(): number;
}

/** The page, and an API that says what a test wants: for states that a real sandbox takes minutes to be in. */
export function createScriptedServer(): ScriptedServer {
  const script: Script = {
    session: learner,
    labs,
    current: null,
    attempt: attempt(),
    room: room(),
    failures: new Map(),
    refusal: undefined,
    isSilent: false,
    screens: {},
    files: new Map(),
  };
  const requests: ScriptedServer["requests"] = [];
  const typed = new Map<string, string>();
  const holds = new Map<string, Promise<void>>();
  const app = express();
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'"],
          styleSrc: ["'self'", "'unsafe-inline'"],
          imgSrc: ["'self'", "data:"],
          connectSrc: ["'self'", "ws:"],
        },
      },
    }),
  );
  app.use(express.json());
  app.use(express.raw({ limit: "20mb" }));

  const language = (request: Request): Language => (request.query.language === "zh" ? "zh" : "en");
  const answer = (route: string, reply: (request: Request, response: Response) => unknown) => {
    const [method = "GET", path = "/"] = route.split(" ");
    app[method.toLowerCase() as "get"](path, async (request, response) => {
      if (method !== "GET")
        requests.push({
          route,
          body: Buffer.isBuffer(request.body) ? request.body.toString() : request.body,
        });
      await holds.get(route);
      const failure = script.failures.get(route);
      if (failure) {
        const { status, ...body } = failure;
        response.status(status).json(body);
        return;
      }
      const value = reply(request, response);
      if (value !== undefined) response.json(value);
    });
  };
  /** The attempt in the reader's language: the script's own where it was made by hand. */
  const inLanguage = (reader: Language): AttemptView =>
    reader === "zh"
      ? {
          ...attempt({}, "zh"),
          ...script.attempt,
          labTitle: attempt({}, "zh").labTitle,
          webServices: attempt({}, "zh").webServices,
          tasks: inChinese(script.attempt),
        }
      : script.attempt;

  const localized = (request: Request) => inLanguage(language(request));

  answer(routes.session, () => script.session);
  answer(routes.join, (request) => {
    script.session = {
      ...script.session,
      person: { id: "p1", name: (request.body as { name: string }).name, role: "learner" },
    };
    return script.session;
  });
  answer(routes.instructor, () => {
    script.session = { ...script.session, person: { id: "p0", name: "Instructor", role: "instructor" } };
    return script.session;
  });
  answer(routes.leave, (_, response) => {
    script.session = { ...script.session, person: null };
    response.status(204).end();
  });
  answer(routes.labs, (request) => script.labs(language(request)));
  answer(routes.labText, (request) => ({ title: "", blocks: blocks(language(request)) }));
  answer(routes.currentAttempt, () => script.current ?? null);
  answer(routes.startAttempt, () => script.attempt);
  answer(routes.attempt, localized);
  for (const route of [
    routes.extendAttempt,
    routes.resetAttempt,
    routes.endAttempt,
    routes.revealHint,
    routes.power,
    routes.hardware,
    routes.repair,
  ])
    answer(route, localized);
  answer(routes.openWeb, (request) => ({
    url: `/opened/${(request.body as { world: string; port: number }).world}`,
  }));
  app.get("/opened/:world", (request, response) => {
    response.type("html").send(`<title>opened</title><h1>service on ${request.params.world}</h1>`);
  });
  answer(routes.download, (request, response) => {
    const text = script.files.get(String(request.query.path));
    if (text === undefined) {
      response.status(404).json({ code: "not_found", message: `there is no file \`${request.query.path}\`` });
      return undefined;
    }
    response.type("application/octet-stream").send(Buffer.from(text));
    return undefined;
  });
  answer(routes.upload, (request, response) => {
    script.files.set(String(request.query.path), (request.body as Buffer).toString());
    response.status(204).end();
  });
  answer(routes.room, () => script.room);

  const http = createServer(app);
  const io = new Server<ClientToServer, ServerToClient>(http, { perMessageDeflate: false });
  let isReachable = true;
  let refused = 0;
  let unanswered = 0;
  io.use((_, next) => {
    if (isReachable) return next();
    refused += 1;
    next(new Error("unreachable"));
  });
  io.on("connection", (socket) => {
    socket.on("attempt:watch", ({ language: reader }, ack) => {
      if (script.isSilent) unanswered += 1;
      else if (script.refusal) ack({ ok: false, error: script.refusal });
      else ack({ ok: true, value: inLanguage(reader) });
    });
    socket.on("room:watch", (_, ack) => ack({ ok: true, value: script.room }));
    socket.on("terminal:open", (body, ack) => {
      if (script.refusal) return ack({ ok: false, error: script.refusal });
      const screen = script.screens[body.role] ?? "";
      ack({
        ok: true,
        value: {
          terminalId: `${body.role}-${body.name}`,
          mode: "snapshot",
          snapshot: screen,
          offset: Buffer.byteLength(screen),
          instance: "i1",
          cols: body.cols,
          rows: body.rows,
          isWriter: true,
        },
      });
    });
    socket.on("terminal:input", (body, ack) => {
      typed.set(body.terminalId, (typed.get(body.terminalId) ?? "") + body.data);
      ack?.();
    });
    socket.on("terminal:resize", ({ terminalId, cols, rows }) =>
      socket.emit("terminal:size", terminalId, cols, rows, true),
    );
    socket.on("terminal:write", (_, ack) => ack({ ok: true, value: null }));
  });
  return {
    get url() {
      return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    },
    script,
    requests,
    typed,
    hold(route) {
      const { promise, resolve } = Promise.withResolvers<void>();
      holds.set(
        route,
        promise.then(() => void holds.delete(route)),
      );
      return resolve;
    },
    loseShell: (terminalId, reason) => void io.emit("terminal:lost", terminalId, reason),
    async listen() {
      const { outDir } = await buildClient();
      app.use(express.static(outDir));
      app.use((request, response) => {
        if (request.path.startsWith("/api/"))
          response.status(404).json({ code: "not_found", message: "no such route" });
        else response.sendFile("index.html", { root: outDir });
      });
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    },
    push(next) {
      script.attempt = next;
      io.emit("attempt:changed", next);
    },
    becomeReady() {
      script.refusal = undefined;
      io.emit("server:ready");
    },
    refused: () => refused,
    unanswered: () => unanswered,
    setReachable(next) {
      isReachable = next;
      if (!next) io.disconnectSockets(true);
    },
    async [Symbol.asyncDispose]() {
      await io.close();
    },
  };
}

function inChinese(scripted: AttemptView): AttemptView["tasks"] {
  const titles = tasks(0, "zh");
  return scripted.tasks.map((task, index) => ({ ...task, title: titles[index]?.title ?? task.title }));
}
