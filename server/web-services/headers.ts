import type { IncomingHttpHeaders } from "node:http";
import { isOurCookie, withoutOurCookies } from "../access/cookies.ts";

/**
 * Answers of a sandbox that would reach beyond its port: all ports of a host share their cookies and what browsers
 * remember of the host.
 */
const KEPT_BACK = ["clear-site-data", "strict-transport-security", "alt-svc", "public-key-pins"];

/** Takes from a request what the sandbox must not see. */
export function cleanRequest(headers: IncomingHttpHeaders): void {
  const cookie = withoutOurCookies(headers.cookie);
  if (cookie === undefined) delete headers.cookie;
  else headers.cookie = cookie;
}

/** Takes from a sandbox's answer what it must not do to this host. */
export function cleanAnswer(headers: IncomingHttpHeaders): void {
  for (const name of KEPT_BACK) delete headers[name];
  const cookies = headers["set-cookie"]
    ?.filter((cookie) => !isOurCookie(cookie.split("=", 1)[0] ?? ""))
    .map((cookie) => cookie.replace(/;\s*domain=[^;]*/gi, ""));
  if (!cookies || cookies.length === 0) delete headers["set-cookie"];
  else headers["set-cookie"] = cookies;
}
