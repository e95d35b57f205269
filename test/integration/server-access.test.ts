import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { CSRF_HEADER, routes } from "../../server/protocol/http.ts";
import type { Browser } from "../support/browser.ts";
import { JOIN_CODE, type LabServer, startAttempt, startLabServer } from "../support/lab-server.ts";

type Who = "stranger" | "other" | "instructor" | "learner";
type Route = (typeof routes)[keyof typeof routes];

let server: LabServer;
let people: Record<Who, Browser>;
let attemptId: string;

beforeAll(async () => {
  server = await startLabServer();
  people = {
    stranger: await server.stranger(),
    other: await server.learner("Grace"),
    instructor: await server.instructor(),
    learner: await server.learner("Ada"),
  };
  attemptId = (await startAttempt(people.learner)).id;
});
afterAll(() => server[Symbol.asyncDispose]());

/** A valid request for each route, and what each person gets; in the order in which they ask. */
const file = { place: "vm", path: "/home/admin/matrix" };
const onlyOwner = { stranger: 401, other: 404, instructor: 403 };
const ownerAndInstructor = { stranger: 401, other: 404, instructor: 200, learner: 200 };
const signedIn = { stranger: 401, other: 200, instructor: 200, learner: 200 };
const matrix: Record<
  keyof typeof routes,
  {
    json?: unknown;
    query?: Record<string, string>;
    bytes?: Uint8Array;
    answers: Partial<Record<Who, number>>;
  }
> = {
  session: { answers: { stranger: 200, other: 200, instructor: 200, learner: 200 } },
  // Signing in changes who somebody is: these have tests of their own.
  join: { answers: {} },
  instructor: { answers: {} },
  leave: { answers: { stranger: 401 } },
  labs: { answers: signedIn },
  labText: { answers: signedIn },
  startAttempt: { json: { labId: "stub-lab" }, answers: { stranger: 401, learner: 200 } },
  currentAttempt: { answers: signedIn },
  attempt: { answers: ownerAndInstructor },
  revealHint: { json: { taskId: "first" }, answers: { ...onlyOwner, learner: 200 } },
  power: { json: { action: "off" }, answers: { ...onlyOwner, learner: 200 } },
  hardware: {
    json: { cpus: 3, memoryMib: 2048, dataDiskGib: 5 },
    answers: { ...onlyOwner, learner: 200 },
  },
  repair: { answers: { ...onlyOwner, learner: 200 } },
  upload: {
    query: { ...file, place: "cluster" },
    bytes: Buffer.from("x"),
    answers: { ...onlyOwner, learner: 204 },
  },
  download: { query: { ...file, place: "cluster" }, answers: { ...onlyOwner, learner: 200 } },
  openWeb: { json: { world: "vm", port: 80 }, answers: { ...onlyOwner, learner: 200 } },
  room: { answers: { stranger: 401, other: 403, instructor: 200, learner: 403 } },
  extendAttempt: { answers: ownerAndInstructor },
  resetAttempt: { answers: { ...onlyOwner, learner: 200 } },
  endAttempt: { answers: { stranger: 401, other: 404, instructor: 200, learner: 200 } },
};

describe("who may use which route", () => {
  for (const [name, { answers, ...ask }] of Object.entries(matrix)) {
    const route = routes[name as keyof typeof routes];
    for (const who of Object.keys(answers) as Who[])
      test(`${route}: ${who} gets ${answers[who]}`, async () => {
        const parameters = { attemptId, labId: "stub-lab" };
        const answer = await people[who].ask(route, { parameters, ...ask });
        expect(answer.status, JSON.stringify(answer.body)).toBe(answers[who]);
      });
  }
  test("every route of the protocol is in the matrix", () => {
    expect(Object.keys(matrix).toSorted()).toEqual(Object.keys(routes).toSorted());
  });
});

describe("requests that don't come from our page", () => {
  const changes = Object.values(routes).filter((route) => !route.startsWith("GET")) as Route[];
  const refused = {
    "another origin": () => ({ origin: "https://evil.example" }),
    "another port of this host": () => ({ origin: server.vmWebUrl }),
    "no origin": () => ({ origin: undefined }),
    "origin null": () => ({ origin: "null" }),
    "no CSRF token": () => ({ [CSRF_HEADER]: undefined }),
    "somebody else's CSRF token": () => ({ [CSRF_HEADER]: people.other.csrfToken }),
  };
  for (const [what, headers] of Object.entries(refused))
    test.each(changes)(`${what} is refused: %s`, async (route) => {
      const { status, body } = await people.learner.ask(route, {
        parameters: { attemptId },
        json: {},
        headers: headers(),
      });
      expect(status).toBe(403);
      expect(body.code).toBe("forbidden");
    });

  test("a page on another port of this host can't read either", async () => {
    const answer = await people.learner.ask(routes.session, { headers: { "sec-fetch-site": "same-site" } });
    expect(answer.status).toBe(403);
    expect(answer.body.csrfToken).toBeUndefined();
  });

  test("the server does not answer to a name that somebody points at its address", async () => {
    const { get } = await import("node:http");
    const status = await new Promise((resolve) =>
      get(`${server.url}/api/session`, { headers: { host: "evil.example" } }, (response) =>
        resolve(response.statusCode),
      ),
    );
    expect(status).toBe(403);
  });
});

describe("sessions", () => {
  test("a cookie that was changed signs nobody in", async () => {
    const browser = await server.learner();
    for (const [name, value] of browser.cookies)
      browser.cookies.set(
        name,
        value.replace(/^./, (letter) => (letter === "A" ? "B" : "A")),
      );
    expect((await browser.ask(routes.labs)).status).toBe(401);
  });

  test("a cookie whose signature was cut off signs nobody in", async () => {
    const browser = await server.learner();
    for (const [name, value] of browser.cookies) browser.cookies.set(name, value.split(".")[0] ?? "");
    expect((await browser.ask(routes.labs)).status).toBe(401);
  });

  test("a second cookie of the same name, as a service on another port can set, makes neither believed", async () => {
    const [ours, theirs] = [await server.learner(), await server.learner("Mallory")];
    const cookie = `${theirs.cookieHeader()}; ${ours.cookieHeader()}`;
    expect((await ours.ask(routes.labs, { headers: { cookie } })).status).toBe(401);
  });

  test("cookies are for the server's eyes and not sent from foreign pages", async () => {
    const { headers } = await (await server.stranger()).join(JOIN_CODE, "Ada");
    const [cookie = ""] = headers.getSetCookie();
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Lax/);
  });

  test("signing in makes a new session: one known before is worth nothing", async () => {
    const browser = await server.stranger();
    const before = browser.cookieHeader();
    await browser.join(JOIN_CODE, "Ada");
    expect(browser.cookieHeader()).not.toBe(before);
    expect((await browser.ask(routes.labs, { headers: { cookie: before } })).status).toBe(401);
  });

  test("after leaving, the old cookie is worth nothing", async () => {
    const browser = await server.learner();
    const before = browser.cookieHeader();
    expect((await browser.ask(routes.leave)).status).toBe(204);
    expect((await browser.ask(routes.labs, { headers: { cookie: before } })).status).toBe(401);
  });

  test("two who give the same name are two people", async () => {
    const [one, other] = [await server.learner("Sam"), await server.learner("Sam")];
    const idOf = async (browser: Browser) => (await browser.ask(routes.session)).body.person.id;
    expect(await idOf(one)).not.toBe(await idOf(other));
  });

  test("the instructor's link works once, and a newer one makes it useless", async () => {
    const first = await server.stub.app.instructorLink();
    const second = await server.stub.app.instructorLink();
    expect((await (await server.stranger()).enterAsInstructor(first)).status).toBe(403);
    expect((await (await server.stranger()).enterAsInstructor(second)).status).toBe(200);
    expect((await (await server.stranger()).enterAsInstructor(second)).status).toBe(403);
  });

  test("links carry their secrets where no log sees them", async () => {
    expect(new URL(server.stub.app.learnerLink()).hash).toBe(`#code=${JOIN_CODE}`);
    const link = new URL(await server.stub.app.instructorLink());
    expect(link.search).toBe("");
    expect(link.hash).toMatch(/^#token=[\w-]{43}$/);
  });
});

describe("requests that are not valid", () => {
  test.each([
    ["a field missing", { code: JOIN_CODE }],
    ["a name of blanks", { code: JOIN_CODE, name: "   " }],
    ["a list", []],
    ["a number for a text", { code: 12345, name: "Ada" }],
  ])("%s is refused and named", async (_what, json) => {
    const { status, body } = await (await server.stranger()).ask(routes.join, { json });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "bad_request", message: expect.stringContaining("not valid") });
  });

  test("a body that is no JSON, or too large, is refused", async () => {
    const browser = await server.stranger();
    const send = (body: string) =>
      browser.fetch("/api/session/join", {
        method: "POST",
        headers: {
          origin: browser.origin,
          [CSRF_HEADER]: browser.csrfToken,
          "content-type": "application/json",
        },
        body,
      });
    expect((await send("{")).status).toBe(400);
    expect((await send(JSON.stringify({ code: "x".repeat(70_000), name: "Ada" }))).body).toEqual({
      code: "bad_request",
      message: "what was sent is too large",
    });
  });

  test("hardware has bounds", async () => {
    const json = { cpus: 0, memoryMib: 1e9, dataDiskGib: 4 };
    const { status, body } = await people.learner.ask(routes.hardware, { parameters: { attemptId }, json });
    expect(status).toBe(400);
    expect(body.message).toMatch(/`cpus`.*`memoryMib`/);
  });

  test("an address that is none is told in the API's shape", async () => {
    const { status, body } = await people.learner.fetch("/api/nothing");
    expect(status).toBe(404);
    expect(body).toEqual({ code: "not_found", message: "there is nothing at `GET /api/nothing`" });
  });
});

/** However busy the host, the time in which so much may be asked is not over before all of it was asked. */
function stopClock(): void {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
}

test("guessing the join code is stopped, and says when to try again", async () => {
  stopClock();
  await using own = await startLabServer();
  const guesser = await own.stranger();
  const statuses: number[] = [];
  for (let guess = 0; guess < 31; guess += 1)
    statuses.push((await guesser.join(`guess-${guess}`, "Mallory")).status);
  expect(statuses.slice(0, 30).every((status) => status === 403)).toBe(true);
  expect(statuses[30]).toBe(429);
  const { status, headers, body } = await guesser.join(JOIN_CODE, "Mallory");
  expect(status).toBe(429);
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  expect(body.hint).toBeTruthy();
});

describe("what is asked too often", () => {
  beforeEach(stopClock);

  /** Statuses of that many requests, a few at a time. */
  async function ask(times: number, one: () => Promise<{ status: number }>): Promise<number[]> {
    const statuses: number[] = [];
    while (statuses.length < times) {
      const round = Array.from({ length: Math.min(20, times - statuses.length) }, one);
      statuses.push(...(await Promise.all(round)).map(({ status }) => status));
    }
    return statuses;
  }
  const refused = (statuses: number[]) => statuses.filter((status) => status === 429).length;

  test("new sandboxes are refused, to this person only", async () => {
    await using own = await startLabServer();
    const [eager, other] = [await own.learner("Eager"), await own.learner("Other")];
    const start = (who: Browser) => who.ask(routes.startAttempt, { json: { labId: "stub-lab" } });
    expect(refused(await ask(13, () => start(eager)))).toBe(1);
    expect((await start(other)).status).toBe(200);
  });

  test("changes are refused, to this person only", async () => {
    await using own = await startLabServer();
    const [eager, other] = [await own.learner("Eager"), await own.learner("Other")];
    const hint = (who: Browser, attempt: string) =>
      who.ask(routes.revealHint, { parameters: { attemptId: attempt }, json: { taskId: "first" } });
    const { id } = await startAttempt(eager);
    const theirs = await startAttempt(other);
    expect(refused(await ask(121, () => hint(eager, id)))).toBe(1);
    expect((await hint(other, theirs.id)).status).toBe(200);
    // Looking is no change.
    expect((await eager.ask(routes.currentAttempt)).status).toBe(200);
  });

  test("anything is refused to an address, with words and the time to wait", async () => {
    await using own = await startLabServer();
    const visitor = await own.stranger();
    expect(refused(await ask(1_800, () => visitor.ask(routes.session)))).toBe(1);
    const { status, headers, body } = await visitor.ask(routes.session);
    expect(status).toBe(429);
    expect(body).toMatchObject({ code: "too_many_requests", hint: expect.any(String) });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

test("answers carry headers that keep other content out", async () => {
  const { headers } = await people.stranger.ask(routes.session);
  expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*script-src 'self';/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("x-powered-by")).toBeNull();
});
