import type { NextFunction, Request, Response } from "express";
import type { Logger } from "pino";
import type { LabError } from "../../sandboxes/errors.ts";
import type { About } from "../access/endpoint.ts";
import type { Metrics } from "./metrics.ts";

/**
 * One line and one measurement per request, when it is over. Addresses are logged as the route writes them: what is
 * filled in or comes after `?` can be a secret or a learner's file name.
 */
export function requestLog(log: Logger, metrics: Metrics) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const startedAt = performance.now();
    response.once("close", () => {
      const seconds = (performance.now() - startedAt) / 1_000;
      const route = routeOf(request);
      const status = response.statusCode;
      metrics.httpSeconds.observe({ method: request.method, route, status }, seconds);
      const failure = response.locals.failure as LabError | undefined;
      const about = response.locals.about as About | undefined;
      const line = {
        method: request.method,
        route,
        status,
        ms: Math.round(seconds * 1_000),
        ...about,
        ...(failure ? { err: failure } : {}),
      };
      if (status >= 500) log.error(line, "request failed");
      else if (failure) log.info(line, "request refused");
      else log.debug(line, "request");
    });
    next();
  };
}

function routeOf(request: Request): string {
  const path: unknown = request.route?.path;
  if (typeof path === "string") return path;
  return request.path.startsWith("/api") ? "/api" : "static";
}
