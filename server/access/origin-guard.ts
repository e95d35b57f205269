import type { NextFunction, Request, Response } from "express";
import { LabError } from "../../sandboxes/errors.ts";
import type { Addresses } from "./addresses.ts";

/** Refuses to be called by a name that is not ours. */
export function ownHostOnly(addresses: Addresses) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    if (addresses.isOwnHost(request.headers.host)) next();
    else
      throw new LabError("forbidden", "the lab server is not known by this name", {
        hint: `open ${addresses.page}, or set \`baseUrl\` to the address you use`,
      });
  };
}

/**
 * Lets only our own page use the API. What changes something must say that it comes from it; other ports of this host,
 * where web services of sandboxes open, count as strangers.
 */
export function ownPageOnly(addresses: Addresses) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    const { origin, host, "sec-fetch-site": site } = request.headers;
    const isRead = request.method === "GET" || request.method === "HEAD";
    const isForeign = site === "cross-site" || site === "same-site";
    const isOwn = isRead && origin === undefined ? !isForeign : addresses.isOwnOrigin(origin, host);
    if (isOwn) next();
    else
      throw new LabError("forbidden", "the request does not come from the lab server's own page", {
        hint: `open ${addresses.page}`,
      });
  };
}
