import express, { type Express, type Request, type RequestHandler, type Response } from "express";
import { z } from "zod";
import { LabError } from "../../sandboxes/errors.ts";
import { type Attempts, noAttempt } from "../attempts/attempts.ts";
import { CSRF_HEADER, type routes } from "../protocol/http.ts";
import { Language } from "../protocol/views.ts";
import type { Attempt, Person } from "../store/store.ts";
import type { Sessions, Visitor } from "./sessions.ts";
import { through } from "./through.ts";

/**
 * Who may use a route: anyone, whoever is signed in, instructors, the learner whose attempt it is, or that learner and
 * any instructor.
 */
export type Access = "anyone" | "person" | "instructor" | "owner" | "owner_or_instructor";

/** Those routes that are about one attempt. */
export type OfAttempt = "owner" | "owner_or_instructor";
type Parsed<Schema> = Schema extends z.ZodType ? z.infer<Schema> : undefined;

export interface Rule<A extends Access, Query, Body, Answer> {
  access: A;
  query?: Query;
  body?: Body;
  answer?: Answer;
  /** Bounds beyond those of every request. */
  limit?: RequestHandler;
}

/** A request that was let in, with everything checked. */
export interface Call<A extends Access, Query, Body> {
  visitor: Visitor;
  person: A extends "anyone" ? Person | undefined : Person;
  attempt: A extends OfAttempt ? Attempt : undefined;
  language: Language;
  query: Parsed<Query>;
  body: Parsed<Body>;
  request: Request;
  response: Response;
}

/** Method and path, as the protocol has them. */
export type Route = (typeof routes)[keyof typeof routes];

/** What the log and the rate limits know about a request. */
export interface About {
  person?: string;
  attempt?: string;
  sandbox?: string;
}

const BODY_LIMIT = "64kb";
const readJson = express.json({ limit: BODY_LIMIT });
const LanguageOrDefault = z.object({ language: Language.default("en") });

export interface EndpointDeps {
  sessions: Sessions;
  attempts: Attempts;
  /** Resolves when attempts can be used after a start of the server. */
  untilReady(): Promise<void>;
}

/** Makes routes of the protocol: who may, what is valid and what is answered is said beside each of them. */
export function endpoints(app: Express, deps: EndpointDeps) {
  return function endpoint<
    A extends Access,
    Query extends z.ZodType | undefined = undefined,
    Body extends z.ZodType | undefined = undefined,
    Answer extends z.ZodType | undefined = undefined,
  >(
    route: Route,
    rule: Rule<A, Query, Body, Answer>,
    handle: (call: Call<A, Query, Body>) => Promise<Answer extends z.ZodType ? z.input<Answer> : void>,
  ): void {
    const [method, path] = route.split(" ") as [string, string];
    const verb = method.toLowerCase() as "get" | "post" | "put" | "delete";
    app[verb](path, async (request, response) => {
      const visitor = await deps.sessions.visitor(request.headers.cookie);
      if (method !== "GET" && !deps.sessions.isCsrfToken(visitor, request.get(CSRF_HEADER)))
        throw new LabError("forbidden", "the request does not prove that it comes from the page", {
          hint: "reload the page",
        });
      const granted = await letIn(deps, rule.access, visitor, request);
      const about: About = {
        ...(granted.person ? { person: granted.person.id } : {}),
        ...(granted.attempt ? { attempt: granted.attempt.id } : {}),
        ...(granted.attempt?.sandboxId ? { sandbox: granted.attempt.sandboxId } : {}),
      };
      response.locals.about = about;
      if (rule.limit) await through(rule.limit, request, response);
      if (rule.body) await through(readJson, request, response);
      const call = {
        ...granted,
        visitor,
        language: valid(LanguageOrDefault, request.query, "query").language,
        query: rule.query && valid(rule.query, request.query, "query"),
        body: rule.body && valid(rule.body, request.body, "body"),
        request,
        response,
      } as Call<A, Query, Body>;
      if (method !== "GET" && granted.attempt && granted.attempt.personId === granted.person?.id)
        deps.attempts.touch(granted.attempt.id);
      const answer = await handle(call);
      if (response.headersSent) return;
      if (rule.answer) response.json(rule.answer.parse(answer));
      else response.status(204).end();
    });
  };
}

async function letIn(
  deps: EndpointDeps,
  access: Access,
  visitor: Visitor,
  request: Request,
): Promise<{ person: Person | undefined; attempt: Attempt | undefined }> {
  const { person } = visitor;
  if (access === "anyone") return { person, attempt: undefined };
  if (!person) throw notSignedIn();
  if (access === "instructor") assertInstructor(person);
  await deps.untilReady();
  const attempt =
    access === "owner" || access === "owner_or_instructor"
      ? await accessibleAttempt(deps.attempts, person, String(request.params.attemptId), access)
      : undefined;
  return { person, attempt };
}

export function notSignedIn(): LabError {
  return new LabError("not_signed_in", "you are not signed in", { hint: "open your link again" });
}

/** @throws LabError `forbidden` */
export function assertInstructor(person: Person): void {
  if (person.role !== "instructor") throw new LabError("forbidden", "only instructors may do this");
}

/**
 * The one place that decides who may touch an attempt. Learners are not even told which of others' attempts exist.
 * @throws LabError `not_found`, `forbidden`
 */
export async function accessibleAttempt(
  attempts: Attempts,
  person: Person,
  attemptId: string,
  access: OfAttempt,
): Promise<Attempt> {
  const attempt = await attempts.get(attemptId);
  if (attempt.personId === person.id) return attempt;
  if (person.role !== "instructor") throw noAttempt(attemptId);
  if (access === "owner_or_instructor") return attempt;
  throw new LabError("forbidden", "only the learner whose attempt it is may do this");
}

/** @throws LabError `bad_request` that names each field and what is wrong with it */
export function valid<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const at = path.length > 0 ? `\`${path.join(".")}\`: ` : "";
    return `${at}${message}`;
  });
  throw new LabError("bad_request", `the ${what} is not valid: ${problems.join("; ")}`);
}
