import type { routes } from "../server/protocol/http.ts";

/** Addresses of the pages; nothing else builds one. */
export const pages = {
  home: "/",
  join: "/join",
  instructor: "/instructor",
  lab: (labId: string) => `/labs/${encodeURIComponent(labId)}`,
  attempt: (attemptId: string) => `/attempts/${encodeURIComponent(attemptId)}`,
} as const;

/** A route of the API, as the protocol writes it: `METHOD /path/:parameter`. */
export type Route = (typeof routes)[keyof typeof routes];

type ParameterOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParameterOf<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

/** The parameters a route's path needs, by name. */
export type RouteParameters<R extends Route> = Record<ParameterOf<R>, string>;

/** Method and address of a request; `query` leaves out what is undefined. */
export function request<R extends Route>(
  route: R,
  parameters: RouteParameters<R>,
  query: Record<string, string | undefined> = {},
): { method: string; url: string } {
  const [method = "GET", template = "/"] = route.split(" ");
  const path = template.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent((parameters as Record<string, string>)[name] ?? ""),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  return { method, url: search.size > 0 ? `${path}?${search}` : path };
}
