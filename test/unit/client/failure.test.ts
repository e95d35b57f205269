import { expect, test } from "vitest";
import { asSentence, describeFailure, RequestFailure } from "../../../client/failure.ts";
import { en } from "../../../client/messages/en.ts";
import { zh } from "../../../client/messages/zh.ts";
import { request } from "../../../client/paths.ts";
import { routes } from "../../../server/protocol/http.ts";

const refusal = new RequestFailure({
  kind: "refused",
  status: 503,
  body: { code: "no_room", message: "the host has 12 MiB left", hint: "end a sandbox that is not needed" },
});

test("a refusal is told by its code, with the server's words and the next step", () => {
  expect(describeFailure(refusal, en)).toEqual({
    title: en.failure.codes.no_room,
    detail: "The host has 12 MiB left.",
    hint: "End a sandbox that is not needed.",
    isOwnHint: false,
  });
  // The server speaks English only: its words come along, the next step is the page's own.
  expect(describeFailure(refusal, zh)).toEqual({
    title: "主机资源不足",
    detail: "The host has 12 MiB left. End a sandbox that is not needed.",
    hint: zh.failure.hints.no_room,
    isOwnHint: true,
  });
});

test("a code this page does not know is a fault of the server, its words are kept", () => {
  const words = describeFailure({ code: "brand_new", message: "the moon is full" }, en);
  expect(words).toMatchObject({ title: en.failure.codes.internal, detail: "The moon is full." });
});

test("no answer, a strange answer and a fault of the page are three things", () => {
  const titles = [
    new RequestFailure({ kind: "unreachable" }),
    new RequestFailure({ kind: "not_understood", status: 200 }),
    new TypeError("x is not a function"),
  ].map((error) => describeFailure(error, en).title);
  expect(titles).toEqual([en.failure.unreachable, en.failure.notUnderstood, en.failure.page]);
});

test("messages become sentences", () => {
  expect(asSentence("could not start `fb-1`")).toBe("Could not start `fb-1`.");
  expect(asSentence("really?")).toBe("Really?");
});

test("addresses are built from the protocol's routes", () => {
  expect(
    request(routes.download, { attemptId: "a/1" }, { place: "vm", path: "/etc/a b", no: undefined }),
  ).toEqual({
    method: "GET",
    url: "/api/attempts/a%2F1/file?place=vm&path=%2Fetc%2Fa+b",
  });
});
