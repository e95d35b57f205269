import type { NextFunction, Request, Response } from "express";
import { type ErrorCode, LabError } from "../sandboxes/errors.ts";
import type { ErrorBody } from "./protocol/http.ts";

/** The one table from what went wrong to the HTTP status that says so. */
const STATUS_OF: Record<ErrorCode, number> = {
  bad_request: 400,
  bad_settings: 500,
  not_signed_in: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_many_requests: 429,
  too_many_pages: 429,
  no_room: 503,
  not_supported: 501,
  docker_unavailable: 503,
  image_failed: 500,
  command_failed: 502,
  timed_out: 504,
  aborted: 503,
  machine_failed: 502,
  cluster_failed: 502,
  terminal_failed: 502,
  lab_invalid: 500,
  check_errored: 502,
  disk_full: 507,
  internal: 500,
};

export function statusOf(code: ErrorCode): number {
  return STATUS_OF[code];
}

/**
 * What a browser is told. What nobody foresaw is told without its words, which may hold anything; the log has them.
 */
export function errorBody(error: LabError): ErrorBody {
  if (error.code === "internal")
    return {
      code: "internal",
      message: "something went wrong in the lab server",
      hint: "try again; the lab server's log says what it was",
    };
  const { code, message, hint } = error;
  return hint === undefined ? { code, message } : { code, message, hint };
}

/** Turns anything thrown while a request was served into a `LabError`, those of the body parsers included. */
export function requestError(error: unknown): LabError {
  if (error instanceof LabError) return error;
  const status = (error as { status?: unknown } | null)?.status;
  if (status === 413) return new LabError("bad_request", "what was sent is too large", { cause: error });
  if (typeof status === "number" && status >= 400 && status < 500)
    return new LabError("bad_request", "the request can't be understood", { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new LabError("internal", message, { cause: error });
}

/** The last handler: answers every failure in one shape. The log is written where the request is. */
export function answerFailure(error: unknown, _request: Request, response: Response, next: NextFunction) {
  const failure = requestError(error);
  response.locals.failure = failure;
  // Part of an answer is out already: only breaking it off tells the browser.
  if (response.headersSent) return next(error);
  response.status(statusOf(failure.code)).json(errorBody(failure));
}
