import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FILE_LIMIT_BYTES, routes } from "../../server/protocol/http.ts";
import type { Browser } from "../support/browser.ts";
import { type LabServer, startAttempt, startLabServer } from "../support/lab-server.ts";

let server: LabServer;
let learner: Browser;
let attemptId: string;

beforeAll(async () => {
  server = await startLabServer();
  learner = await server.learner();
  attemptId = (await startAttempt(learner)).id;
});
afterAll(() => server[Symbol.asyncDispose]());

const upload = (path: string, bytes: Uint8Array, place = "vm") =>
  learner.ask(routes.upload, { parameters: { attemptId }, query: { place, path }, bytes });
const download = (path: string, place = "vm") =>
  learner.ask(routes.download, { parameters: { attemptId }, query: { place, path } });

test.each(["vm", "cluster"])("bytes go up to the %s and come down as they were", async (place) => {
  const bytes = randomBytes(100_000);
  expect((await upload("/home/admin/data.bin", bytes, place)).status).toBe(204);
  const answer = await download("/home/admin/data.bin", place);
  expect(answer.status).toBe(200);
  expect(bytes.equals(answer.body)).toBe(true);
});

test("an empty file is a file", async () => {
  expect((await upload("/home/admin/empty", new Uint8Array())).status).toBe(204);
  expect((await download("/home/admin/empty")).body).toHaveLength(0);
});

test("a download is never shown in our origin", async () => {
  await upload("/home/admin/page.html", Buffer.from("<script>alert(1)</script>"));
  const { headers } = await download("/home/admin/page.html");
  expect(headers.get("content-type")).toBe("application/octet-stream");
  expect(headers.get("content-disposition")).toBe("attachment; filename=page.html");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toContain("sandbox");
});

test("names of every language survive", async () => {
  await upload('/home/admin/库存 "1".txt', Buffer.from("x"));
  const { headers } = await download('/home/admin/库存 "1".txt');
  expect(headers.get("content-disposition")).toContain("filename*=UTF-8''%E5%BA%93%E5%AD%98");
});

test("the largest file goes, one byte more does not", async () => {
  const largest = Buffer.alloc(FILE_LIMIT_BYTES, 7);
  expect((await upload("/home/admin/large", largest)).status).toBe(204);
  expect((await download("/home/admin/large")).body).toHaveLength(FILE_LIMIT_BYTES);
  const { status, body } = await upload("/home/admin/large", Buffer.alloc(FILE_LIMIT_BYTES + 1));
  expect(status).toBe(400);
  expect(body.message).toBe("what was sent is too large");
});

test.each([
  ["relative", "home/admin/x"],
  ["a folder", "/home/admin/"],
  ["with a zero byte", "/home/admin/x\0y"],
])("a path that is %s is refused", async (_what, path) => {
  expect((await upload(path, Buffer.from("x"))).body.code).toBe("bad_request");
  expect((await download(path)).body.code).toBe("bad_request");
});

test("a file that is not there, or a VM that is off, is told in words", async () => {
  expect((await download("/home/admin/nothing")).body).toMatchObject({ code: "not_found" });
  await learner.ask(routes.power, { parameters: { attemptId }, json: { action: "plug" } });
  expect((await download("/home/admin/data.bin")).body).toMatchObject({
    code: "machine_failed",
    hint: "power it on",
  });
});
