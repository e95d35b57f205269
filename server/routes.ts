import type { Express } from "express";
import type { Logger } from "pino";
import type { z } from "zod";
import { LabError } from "../sandboxes/errors.ts";
import type { Addresses } from "./access/addresses.ts";
import { type Call, endpoints, type OfAttempt, type Route, type Rule } from "./access/endpoint.ts";
import type { Invitations } from "./access/invitations.ts";
import { ownHostOnly, ownPageOnly } from "./access/origin-guard.ts";
import { createRateLimits } from "./access/rate-limits.ts";
import type { Sessions } from "./access/sessions.ts";
import type { Attempts } from "./attempts/attempts.ts";
import type { LabCatalogue } from "./attempts/lab-catalogue.ts";
import type { SandboxControls } from "./attempts/sandbox-controls.ts";
import { answerFailure } from "./errors.ts";
import { download, upload } from "./files/files.ts";
import { healthz, metricsText, type Readiness } from "./observe/endpoints.ts";
import type { Metrics } from "./observe/metrics.ts";
import { requestLog } from "./observe/request-log.ts";
import { clientFiles, clientPage, securityHeaders } from "./page.ts";
import * as http from "./protocol/http.ts";
import {
  type Language,
  Language as LanguageSchema,
  type RoomView,
  type SessionView,
} from "./protocol/views.ts";
import type { Settings } from "./settings.ts";
import type { Person } from "./store/store.ts";
import type { Tickets } from "./web-services/tickets.ts";
import { assertWebPort, openUrl } from "./web-services/web-listener.ts";

export interface RoutesDeps {
  settings: Settings;
  addresses: Addresses;
  sessions: Sessions;
  invitations: Invitations;
  attempts: Attempts;
  controls: SandboxControls;
  labs: LabCatalogue;
  tickets: Tickets;
  metrics: Metrics;
  log: Logger;
  clientDir: string;
  room(language: Language): Promise<RoomView>;
  readiness(): Readiness;
  untilReady(): Promise<void>;
}

/** Every middleware and route, in the order in which a request meets them. */
export function register(app: Express, deps: RoutesDeps): void {
  const { settings, addresses, sessions, invitations, attempts, controls, labs, tickets, metrics, log } =
    deps;
  const { routes } = http;
  const limits = createRateLimits();
  const view = (attemptId: string, language: Language) => attempts.view(attemptId, language);
  const sessionView = (person: Person | undefined, csrfToken: string): SessionView => ({
    person: person ? { id: person.id, name: person.name, role: person.role } : null,
    csrfToken,
    languages: LanguageSchema.options,
  });

  app.disable("x-powered-by");
  app.set("trust proxy", settings.trustedProxies);
  app.use(requestLog(log, metrics));
  app.get("/healthz", healthz(deps.readiness));
  app.get("/metrics", metricsText(metrics, settings.metricsToken));
  app.use(securityHeaders(addresses.isSecure));
  app.use(ownHostOnly(addresses));
  app.use("/api", limits.everything, ownPageOnly(addresses), (_request, response, next) => {
    response.set("cache-control", "no-store");
    next();
  });

  const endpoint = endpoints(app, deps);
  /** A change of an attempt, answered with what came of it. */
  const change = <Body extends z.ZodType | undefined = undefined>(
    route: Route,
    rule: Omit<Rule<OfAttempt, undefined, Body, undefined>, "query" | "answer">,
    make: (call: Call<OfAttempt, undefined, Body>) => Promise<void>,
  ) =>
    endpoint(
      route,
      { ...rule, answer: http.AttemptAnswer },
      async (call: Call<OfAttempt, undefined, Body>) => {
        await make(call);
        return view(call.attempt.id, call.language);
      },
    );

  endpoint(routes.session, { access: "anyone", answer: http.SessionAnswer }, async ({ visitor, response }) =>
    sessionView(visitor.person, sessions.greet(visitor, response)),
  );
  endpoint(
    routes.join,
    { access: "anyone", body: http.JoinBody, answer: http.SessionAnswer, limit: limits.signIn },
    async ({ visitor, body, response }) => {
      const person = await invitations.join(body.code, body.name);
      return sessionView(person, await sessions.signIn(visitor, person, response));
    },
  );
  endpoint(
    routes.instructor,
    { access: "anyone", body: http.InstructorBody, answer: http.SessionAnswer, limit: limits.signIn },
    async ({ visitor, body, response }) => {
      const person = await invitations.enterAsInstructor(body.token);
      return sessionView(person, await sessions.signIn(visitor, person, response));
    },
  );
  endpoint(routes.leave, { access: "person" }, async ({ visitor, response }) =>
    sessions.signOut(visitor, response),
  );

  endpoint(routes.labs, { access: "person", answer: http.LabsAnswer }, async ({ language }) =>
    labs.summaries(language),
  );
  endpoint(
    routes.labText,
    { access: "person", answer: http.LabTextAnswer },
    async ({ request, language }) => {
      const lab = labs.get(String(request.params.labId));
      return { title: lab.title[language], blocks: lab.text[language] };
    },
  );

  endpoint(
    routes.startAttempt,
    {
      access: "person",
      body: http.StartAttemptBody,
      answer: http.AttemptAnswer,
      limit: limits.newSandbox,
    },
    async ({ person, body, language }) => view((await attempts.start(person, body.labId)).id, language),
  );
  endpoint(
    routes.currentAttempt,
    { access: "person", answer: http.CurrentAttemptAnswer },
    async ({ person, language }) => {
      const attempt = await attempts.openOf(person);
      return attempt ? view(attempt.id, language) : null;
    },
  );
  endpoint(
    routes.attempt,
    { access: "owner_or_instructor", answer: http.AttemptAnswer },
    async ({ attempt, language }) => view(attempt.id, language),
  );
  change(routes.resetAttempt, { access: "owner", limit: limits.newSandbox }, ({ attempt }) =>
    attempts.reset(attempt.id),
  );
  change(routes.extendAttempt, { access: "owner_or_instructor", limit: limits.change }, ({ attempt }) =>
    attempts.extend(attempt.id),
  );
  change(routes.endAttempt, { access: "owner_or_instructor", limit: limits.change }, ({ attempt }) =>
    attempts.end(attempt.id),
  );
  change(
    routes.revealHint,
    { access: "owner", body: http.RevealHintBody, limit: limits.change },
    ({ attempt, body }) => attempts.revealHint(attempt.id, body.taskId),
  );

  change(routes.power, { access: "owner", body: http.PowerBody, limit: limits.change }, ({ attempt, body }) =>
    controls.power(attempt.id, body.action),
  );
  change(
    routes.hardware,
    { access: "owner", body: http.HardwareBody, limit: limits.change },
    ({ attempt, body }) => controls.resize(attempt.id, body),
  );
  change(routes.repair, { access: "owner", limit: limits.change }, ({ attempt }) =>
    controls.repair(attempt.id),
  );

  endpoint(
    routes.download,
    { access: "owner", query: http.FileQuery, limit: limits.change },
    async ({ attempt, query, response }) => download(attempts.sandboxOf(attempt.id), query, response),
  );
  endpoint(
    routes.upload,
    { access: "owner", query: http.FileQuery, limit: limits.change },
    async ({ attempt, query, request, response }) =>
      upload(attempts.sandboxOf(attempt.id), query, request, response),
  );
  endpoint(
    routes.openWeb,
    { access: "owner", body: http.OpenWebBody, answer: http.OpenWebAnswer, limit: limits.change },
    async ({ attempt, body, request }) => {
      attempts.sandboxOf(attempt.id);
      assertWebPort(body);
      const ticket = tickets.issue({ attemptId: attempt.id, ...body });
      return { url: openUrl(addresses.web(body.world, request.headers.host), ticket) };
    },
  );

  endpoint(routes.room, { access: "instructor", answer: http.RoomAnswer }, async ({ language }) =>
    deps.room(language),
  );

  app.use(clientFiles(deps.clientDir));
  app.use(clientPage(deps.clientDir));
  app.use((request) => {
    throw new LabError("not_found", `there is nothing at \`${request.method} ${request.path}\``);
  });
  app.use(answerFailure);
}
