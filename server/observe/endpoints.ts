import type { Request, Response } from "express";
import { LabError } from "../../sandboxes/errors.ts";
import { isSame } from "../access/signer.ts";
import type { Metrics } from "./metrics.ts";

/** Whether the server has taken up everything after its start. */
export interface Readiness {
  isReady: boolean;
  /** What stands in the way, in words. */
  reason: string | undefined;
}

/** For load balancers and systemd: 200 when ready, else 503 with the reason. */
export function healthz(readiness: () => Readiness) {
  return (_request: Request, response: Response): void => {
    const { isReady, reason } = readiness();
    response
      .status(isReady ? 200 : 503)
      .set("cache-control", "no-store")
      .json(isReady ? { status: "ready" } : { status: "starting", reason });
  };
}

/** For Prometheus: with the token where there is one, else from this host only, and not through a proxy on it. */
export function metricsText(metrics: Metrics, token: string | undefined) {
  return async (request: Request, response: Response): Promise<void> => {
    const isAllowed = token === undefined ? isLocal(request) : isSame(bearer(request), token);
    if (!isAllowed)
      throw new LabError("forbidden", "metrics are not for everybody", {
        hint: "ask from the lab server's own host, or set `metricsToken` and send it as bearer token",
      });
    response.set("content-type", metrics.contentType).send(await metrics.text());
  };
}

function bearer(request: Request): string {
  return /^Bearer (.+)$/.exec(request.get("authorization") ?? "")?.[1] ?? "";
}

function isLocal(request: Request): boolean {
  const address = request.socket.remoteAddress ?? "";
  const isLoopback = /^(::ffff:)?127\.|^::1$/.test(address);
  return isLoopback && request.get("x-forwarded-for") === undefined && request.get("forwarded") === undefined;
}
