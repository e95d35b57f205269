import type { z } from "zod";
import {
  AttemptAnswer,
  CSRF_HEADER,
  CurrentAttemptAnswer,
  ErrorBody,
  type FileQuery,
  type HardwareBody,
  type JoinBody,
  LabsAnswer,
  LabTextAnswer,
  OpenWebAnswer,
  type OpenWebBody,
  type PowerBody,
  RoomAnswer,
  routes,
  SessionAnswer,
} from "../server/protocol/http.ts";
import type { SessionView } from "../server/protocol/views.ts";
import { learnServerTime } from "./clock.ts";
import { RequestFailure } from "./failure.ts";
import { type Route, type RouteParameters, request } from "./paths.ts";
import { currentLanguage } from "./preferences.ts";

/** Longest anything may take: power actions and repairs are answered within 45 s, and a file may take longer. */
const REQUEST_TIMEOUT_MS = 120_000;

/** Proves that a request comes from this page; every session answer brings it. */
let csrfToken = "";

interface Call<R extends Route> {
  route: R;
  parameters: RouteParameters<R>;
  query?: Record<string, string | undefined>;
  json?: unknown;
  bytes?: Blob;
}

async function send<R extends Route>(call: Call<R>): Promise<Response> {
  const { method, url } = request(call.route, call.parameters, call.query);
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers[CSRF_HEADER] = csrfToken;
  if (call.json !== undefined) headers["content-type"] = "application/json";
  if (call.bytes) headers["content-type"] = "application/octet-stream";
  const body = call.bytes ?? (call.json === undefined ? null : JSON.stringify(call.json));
  const response = await fetch(url, {
    method,
    headers,
    body,
    credentials: "same-origin",
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new RequestFailure({ kind: "unreachable" }, error);
  });
  learnServerTime(response.headers.get("date"));
  if (response.ok) return response;
  const answer = ErrorBody.safeParse(await response.json().catch(() => undefined));
  throw new RequestFailure(
    answer.success
      ? { kind: "refused", status: response.status, body: answer.data }
      : // A reverse proxy answers for a server that is down.
        response.status >= 502
        ? { kind: "unreachable" }
        : { kind: "not_understood", status: response.status },
  );
}

async function ask<R extends Route, Schema extends z.ZodType>(
  answer: Schema,
  call: Call<R>,
): Promise<z.infer<Schema>> {
  const response = await send(call);
  const parsed = answer.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success)
    throw new RequestFailure({ kind: "not_understood", status: response.status }, parsed.error);
  return parsed.data;
}

function remember(session: SessionView): SessionView {
  csrfToken = session.csrfToken;
  return session;
}

/** Texts come in the reader's language. */
const inLanguage = () => ({ language: currentLanguage() });

/** Every request of the page, one function each. All throw `RequestFailure`. */
export const api = {
  session: async () => remember(await ask(SessionAnswer, { route: routes.session, parameters: {} })),
  join: async (json: z.infer<typeof JoinBody>) =>
    remember(await ask(SessionAnswer, { route: routes.join, parameters: {}, json })),
  signInInstructor: async (token: string) =>
    remember(await ask(SessionAnswer, { route: routes.instructor, parameters: {}, json: { token } })),
  leave: async () => void (await send({ route: routes.leave, parameters: {} })),

  labs: () => ask(LabsAnswer, { route: routes.labs, parameters: {}, query: inLanguage() }),
  labText: (labId: string) =>
    ask(LabTextAnswer, { route: routes.labText, parameters: { labId }, query: inLanguage() }),

  currentAttempt: () =>
    ask(CurrentAttemptAnswer, { route: routes.currentAttempt, parameters: {}, query: inLanguage() }),
  attempt: (attemptId: string) =>
    ask(AttemptAnswer, { route: routes.attempt, parameters: { attemptId }, query: inLanguage() }),
  startAttempt: (labId: string) =>
    ask(AttemptAnswer, { route: routes.startAttempt, parameters: {}, query: inLanguage(), json: { labId } }),
  revealHint: (attemptId: string, taskId: string) =>
    ask(AttemptAnswer, {
      route: routes.revealHint,
      parameters: { attemptId },
      query: inLanguage(),
      json: { taskId },
    }),
  extend: (attemptId: string) => change(routes.extendAttempt, attemptId),
  reset: (attemptId: string) => change(routes.resetAttempt, attemptId),
  end: (attemptId: string) => change(routes.endAttempt, attemptId),
  repair: (attemptId: string) => change(routes.repair, attemptId),
  power: (attemptId: string, action: z.infer<typeof PowerBody>["action"]) =>
    change(routes.power, attemptId, { action }),
  setHardware: (attemptId: string, hardware: z.infer<typeof HardwareBody>) =>
    change(routes.hardware, attemptId, hardware),

  openWeb: (attemptId: string, json: z.infer<typeof OpenWebBody>) =>
    ask(OpenWebAnswer, { route: routes.openWeb, parameters: { attemptId }, json }),
  /** Address of a file of the sandbox, for a download. */
  fileUrl: (attemptId: string, query: z.infer<typeof FileQuery>) =>
    request(routes.download, { attemptId }, query).url,
  download: async (attemptId: string, query: z.infer<typeof FileQuery>) =>
    (await send({ route: routes.download, parameters: { attemptId }, query })).blob(),
  upload: async (attemptId: string, query: z.infer<typeof FileQuery>, bytes: Blob) =>
    void (await send({ route: routes.upload, parameters: { attemptId }, query, bytes })),

  room: () => ask(RoomAnswer, { route: routes.room, parameters: {}, query: inLanguage() }),
} as const;

type AttemptChange =
  | typeof routes.extendAttempt
  | typeof routes.resetAttempt
  | typeof routes.endAttempt
  | typeof routes.repair
  | typeof routes.power
  | typeof routes.hardware;

function change(route: AttemptChange, attemptId: string, json?: unknown) {
  return ask(AttemptAnswer, { route, parameters: { attemptId }, query: inLanguage(), json });
}
