import type { Request, Response } from "express";
import { ipKeyGenerator, type RateLimitRequestHandler, rateLimit } from "express-rate-limit";
import { LabError } from "../../sandboxes/errors.ts";

const MINUTE_MS = 60_000;

/** Bounds on how often the API is asked. A whole class may come from one address, so what is counted by address is wide. */
export interface RateLimits {
  /** Every request, by address. */
  everything: RateLimitRequestHandler;
  /** Wrong codes and tokens, by address: guessing is what it stops. */
  signIn: RateLimitRequestHandler;
  /** What costs a new sandbox, by person. */
  newSandbox: RateLimitRequestHandler;
  /** What makes the sandbox work, by person. */
  change: RateLimitRequestHandler;
}

export function createRateLimits(): RateLimits {
  return {
    everything: limit({ windowMs: MINUTE_MS, limit: 1_800 }),
    signIn: limit({ windowMs: MINUTE_MS, limit: 30, skipSuccessfulRequests: true }),
    newSandbox: limit({ windowMs: 10 * MINUTE_MS, limit: 12, keyGenerator: byPerson }),
    change: limit({ windowMs: MINUTE_MS, limit: 120, keyGenerator: byPerson }),
  };
}

function limit(options: Parameters<typeof rateLimit>[0]): RateLimitRequestHandler {
  return rateLimit({
    standardHeaders: "draft-8",
    legacyHeaders: false,
    // A proxy that is not in the settings is not believed; that needs no warning with every start.
    validate: { xForwardedForHeader: false },
    ...options,
    handler: (_request, _response, next) =>
      next(new LabError("too_many_requests", "too many requests", { hint: "wait a minute, then try again" })),
  });
}

function byPerson(request: Request, response: Response): string {
  const about = response.locals.about as { person?: string } | undefined;
  return about?.person ?? ipKeyGenerator(request.ip ?? "");
}
