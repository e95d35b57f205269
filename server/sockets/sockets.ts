import type { Server as HttpServer } from "node:http";
import type { Logger } from "pino";
import { type DefaultEventsMap, Server } from "socket.io";
import type { z } from "zod";
import { LabError } from "../../sandboxes/errors.ts";
import type { Addresses } from "../access/addresses.ts";
import { accessibleAttempt, assertInstructor, notSignedIn, valid } from "../access/endpoint.ts";
import type { Sessions } from "../access/sessions.ts";
import type { Attempts } from "../attempts/attempts.ts";
import { errorBody, requestError } from "../errors.ts";
import type { Metrics } from "../observe/metrics.ts";
import {
  type Ack,
  AttemptWatch,
  type ClientToServer,
  RoomWatch,
  type ServerToClient,
  TerminalAck,
  TerminalClose,
  TerminalInput,
  TerminalOpen,
  TerminalResize,
} from "../protocol/socket.ts";
import type { Language, RoomView } from "../protocol/views.ts";
import type { Person } from "../store/store.ts";
import type { TerminalHub } from "../terminal/hub.ts";
import { LiveViews } from "./live-views.ts";
import { SocketAllowances } from "./socket-allowances.ts";
import { type LabSocket, type SocketData, TerminalVisits } from "./terminal-visits.ts";

/** The largest event is a chunk of input, at most four bytes a character and escaped. */
const MAX_EVENT_BYTES = 256 * 1024;

/** A session that ran out closes its sockets within this time; one that is signed out, at once. */
const RECHECK_MS = 60_000;

/**
 * What events cost of their person's budget. Those that ask the sandbox or the store cost more, and most of all opening
 * a terminal: its screen and up to 5,000 lines above are written out, which takes tens of milliseconds.
 */
const COST = { typing: 1, perInputKib: 4, asking: 60, opening: 300 };

export interface SocketsDeps {
  addresses: Addresses;
  sessions: Sessions;
  attempts: Attempts;
  hub: TerminalHub;
  metrics: Metrics;
  log: Logger;
  room(language: Language): Promise<RoomView>;
  /** Resolves when attempts can be used after a start of the server. */
  ready: Promise<void>;
  /** The same with a deadline. @throws LabError `timed_out` */
  untilReady(): Promise<void>;
}

/** Serves the protocol's socket events at this HTTP server. */
export function attachSockets(http: HttpServer, deps: SocketsDeps): AsyncDisposable {
  const { addresses, sessions } = deps;
  const views = new LiveViews(deps);
  const allowances = new SocketAllowances();
  const io = new Server<ClientToServer, ServerToClient, DefaultEventsMap, SocketData>(http, {
    transports: ["websocket"],
    serveClient: false,
    perMessageDeflate: false,
    maxHttpBufferSize: MAX_EVENT_BYTES,
    allowRequest: ({ headers }, answer) => {
      const isOwn = addresses.isOwnHost(headers.host) && addresses.isOwnOrigin(headers.origin, headers.host);
      answer(isOwn ? null : "the request does not come from the lab server's own page", isOwn);
    },
  });
  io.use((socket, next) => {
    const admit = async () => {
      const { person, sessionId } = await sessions.visitor(socket.request.headers.cookie);
      if (!person) throw notSignedIn();
      // Gone meanwhile: nothing would give its allowance back.
      if (socket.conn.readyState !== "open") return;
      const { budget, release } = allowances.claim(person);
      socket.conn.once("close", release);
      Object.assign(socket.data, { sessionId, budget });
    };
    admit().then(
      () => next(),
      (error: unknown) => next(refusal(requestError(error))),
    );
  });
  io.on("connection", (socket) => serve(socket, views, deps));
  void deps.ready.then(() => io.emit("server:ready"));
  return {
    async [Symbol.asyncDispose]() {
      views[Symbol.dispose]();
      io.disconnectSockets(true);
      await io.close();
    },
  };
}

/** Told to the browser as `connect_error`; it does not try again by itself. */
function refusal(failure: LabError): Error {
  return Object.assign(new Error(failure.code), { data: errorBody(failure) });
}

function serve(socket: LabSocket, views: LiveViews, deps: SocketsDeps): void {
  const { sessions, attempts } = deps;
  const terminals = new TerminalVisits(socket, deps);
  const gone = new AbortController();
  const watches = new Map<string, AbortController>();
  const cookie = socket.request.headers.cookie;
  const { sessionId, budget } = socket.data;

  /** Whoever sends it must still be signed in. */
  const sender = async (): Promise<Person> => {
    const { person } = await sessions.visitor(cookie);
    if (person) return person;
    socket.disconnect(true);
    throw notSignedIn();
  };

  /** An event that is answered: checked, bounded, and every failure told in its answer. */
  const asked = async <Schema extends z.ZodType, T>(
    schema: Schema,
    body: unknown,
    ack: Ack<T>,
    handle: (body: z.infer<Schema>, person: Person, answer: (value: T) => void) => Promise<void>,
    cost = COST.asking,
  ): Promise<void> => {
    if (typeof ack !== "function") return void socket.disconnect(true);
    try {
      if (!budget.spend(cost))
        throw new LabError("too_many_requests", "too many requests", { hint: "wait a minute" });
      const person = await sender();
      await deps.untilReady();
      await handle(valid(schema, body, "event"), person, (value) => ack({ ok: true, value }));
    } catch (error) {
      const failure = requestError(error);
      if (failure.code === "internal") deps.log.error({ err: error }, "socket event failed");
      ack({ ok: false, error: errorBody(failure) });
    }
  };

  /** An event without an answer: one that breaks the rules ends the socket. */
  const told = <Schema extends z.ZodType>(
    schema: Schema,
    body: unknown,
    handle: (body: z.infer<Schema>) => void,
    cost: (body: z.infer<Schema>) => number = () => COST.typing,
  ): void => {
    const parsed = schema.safeParse(body);
    if (!parsed.success || !budget.spend(cost(parsed.data))) return void socket.disconnect(true);
    handle(parsed.data);
  };

  /** A later watch of the same thing replaces the earlier one. */
  const newWatch = (key: string): AbortSignal => {
    watches.get(key)?.abort();
    const watch = new AbortController();
    watches.set(key, watch);
    return AbortSignal.any([watch.signal, gone.signal]);
  };

  socket.on("terminal:open", (body, ack) =>
    asked(
      TerminalOpen,
      body,
      ack,
      async (request, person, answer) => {
        const attempt = await accessibleAttempt(attempts, person, request.attemptId, "owner_or_instructor");
        await terminals.open(attempt, request, { mayWrite: attempt.personId === person.id }, answer);
      },
      COST.opening,
    ),
  );
  socket.on("terminal:input", (body, ack) =>
    told(
      TerminalInput,
      body,
      ({ terminalId, data }) => {
        void terminals.input(terminalId, data).finally(() => {
          if (typeof ack === "function") ack();
        });
      },
      ({ data }) => COST.typing + (data.length / 1_024) * COST.perInputKib,
    ),
  );
  socket.on("terminal:resize", (body) =>
    told(TerminalResize, body, ({ terminalId, cols, rows }) => terminals.resize(terminalId, cols, rows)),
  );
  socket.on("terminal:ack", (body) =>
    told(TerminalAck, body, ({ terminalId, offset }) => terminals.ack(terminalId, offset)),
  );
  socket.on("terminal:write", (body, ack) =>
    asked(TerminalClose, body, ack, async ({ terminalId }, _person, answer) => {
      terminals.write(terminalId);
      answer(null);
    }),
  );
  socket.on("terminal:close", (body) =>
    told(TerminalClose, body, ({ terminalId }) => terminals.close(terminalId)),
  );
  socket.on("attempt:watch", (body, ack) =>
    asked(AttemptWatch, body, ack, async ({ attemptId, language }, person, answer) => {
      await accessibleAttempt(attempts, person, attemptId, "owner_or_instructor");
      const signal = newWatch(attemptId);
      const show = (view: Parameters<ServerToClient["attempt:changed"]>[0]) =>
        socket.emit("attempt:changed", view);
      views.watchAttempt(attemptId, { language, show }, signal);
      answer(await attempts.view(attemptId, language));
    }),
  );
  socket.on("room:watch", (body, ack) =>
    asked(RoomWatch, body, ack, async ({ language }, person, answer) => {
      assertInstructor(person);
      views.watchRoom({ language, show: (view) => socket.emit("room:changed", view) }, newWatch("room"));
      answer(await deps.room(language));
    }),
  );

  const recheck = setInterval(() => void sender().catch(() => {}), RECHECK_MS);
  if (sessionId !== undefined) sessions.onEnd(sessionId, () => socket.disconnect(true), gone.signal);
  socket.on("disconnect", () => {
    clearInterval(recheck);
    gone.abort();
    terminals.leave();
  });
}
