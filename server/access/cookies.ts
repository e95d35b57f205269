/** Begins the names of all our cookies; a sandbox's web service can neither read nor set one. */
const OURS = /^(__Host-)?footbridge_/i;

export function isOurCookie(name: string): boolean {
  return OURS.test(name.trim());
}

/** The prefix makes browsers refuse such a cookie from another host or over plain HTTP. */
export function cookieName(name: "session" | "vm" | "cluster", isSecure: boolean): string {
  return `${isSecure ? "__Host-" : ""}footbridge_${name}`;
}

/**
 * The value of a cookie. Two of one name mean that somebody else set one (ports of a host share their cookies), and
 * then neither is believed.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  const values = split(header)
    .filter((cookie) => cookie.name === name)
    .map((cookie) => cookie.value);
  return values.length === 1 ? values[0] : undefined;
}

/** A `Cookie` header without ours; `undefined` where nothing is left. */
export function withoutOurCookies(header: string | undefined): string | undefined {
  const kept = split(header).filter((cookie) => !isOurCookie(cookie.name));
  return kept.length > 0 ? kept.map(({ name, value }) => `${name}=${value}`).join("; ") : undefined;
}

function split(header: string | undefined): { name: string; value: string }[] {
  return (header ?? "").split(";").flatMap((part) => {
    const equals = part.indexOf("=");
    return equals < 0 ? [] : [{ name: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim() }];
  });
}
