import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Addresses } from "../../server/access/addresses.ts";
import { cookieName, isOurCookie, readCookie, withoutOurCookies } from "../../server/access/cookies.ts";
import { loadSigner } from "../../server/access/signer.ts";
import { Settings } from "../../server/settings.ts";
import { openSqliteStore } from "../../server/store/sqlite-store.ts";
import { cleanAnswer } from "../../server/web-services/headers.ts";

const addresses = (change: Partial<Settings> = {}) =>
  new Addresses(Settings.parse({ stateDir: "/s", cacheDir: "/c", ...change }));

test("our own page is the origin that was asked, by a name that is ours", () => {
  const own = addresses();
  expect(own.isOwnOrigin("http://127.0.0.1:8080", "127.0.0.1:8080")).toBe(true);
  expect(own.isOwnOrigin("http://localhost:8080", "localhost:8080")).toBe(true);
  expect(own.isOwnOrigin("http://127.0.0.1:8081", "127.0.0.1:8080")).toBe(false);
  expect(own.isOwnOrigin("http://evil.example", "127.0.0.1:8080")).toBe(false);
  // DNS rebinding: both agree, but the name is not ours.
  expect(own.isOwnOrigin("http://evil.example:8080", "evil.example:8080")).toBe(false);
  expect(own.isOwnOrigin(undefined, "127.0.0.1:8080")).toBe(false);
  expect(own.isOwnOrigin("null", "127.0.0.1:8080")).toBe(false);
});

test("with a base URL only that is our page", () => {
  const own = addresses({ baseUrl: "https://lab.example/" });
  expect(own.isOwnOrigin("https://lab.example", "lab.example")).toBe(true);
  expect(own.isOwnOrigin("https://lab.example", "127.0.0.1:8080")).toBe(true);
  expect(own.isOwnOrigin("http://lab.example", "lab.example")).toBe(false);
  expect(own.isOwnOrigin("http://127.0.0.1:8080", "127.0.0.1:8080")).toBe(false);
  expect(own.isSecure).toBe(true);
  expect(own.page).toBe("https://lab.example");
});

test("web services open beside the page unless they have an address of their own", () => {
  expect(addresses().web("vm", "192.0.2.7:8080")).toBe("http://192.0.2.7:8081");
  expect(addresses({ baseUrl: "https://lab.example" }).web("cluster", "x")).toBe("https://lab.example:8082");
  const given = addresses({ baseUrl: "https://lab.example", vmWebUrl: "https://vm.lab.example" });
  expect(given.web("vm", undefined)).toBe("https://vm.lab.example");
  expect(given.isOwnHost("vm.lab.example")).toBe(true);
});

test("a cookie is read once or not at all", () => {
  expect(readCookie("a=1; footbridge_session=x.y; b=2", "footbridge_session")).toBe("x.y");
  expect(readCookie("footbridge_session=x; footbridge_session=y", "footbridge_session")).toBeUndefined();
  expect(readCookie("xfootbridge_session=x", "footbridge_session")).toBeUndefined();
  expect(readCookie(undefined, "footbridge_session")).toBeUndefined();
});

test("our cookies are told from a sandbox's by their name, whatever its case", () => {
  for (const name of ["session", "vm", "cluster"] as const)
    for (const isSecure of [true, false]) expect(isOurCookie(cookieName(name, isSecure))).toBe(true);
  expect(isOurCookie("Footbridge_Session")).toBe(true);
  expect(isOurCookie("PHPSESSID")).toBe(false);
  expect(withoutOurCookies("footbridge_vm=1; theirs=2; __Host-footbridge_session=3")).toBe("theirs=2");
  expect(withoutOurCookies("footbridge_vm=1")).toBeUndefined();
});

test("a signature is worth something for its own value and purpose only", async () => {
  const dir = await mkdtemp(join(tmpdir(), "fb-signer-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await using store = await openSqliteStore(join(dir, "one.db"));
  await using another = await openSqliteStore(join(dir, "another.db"));
  const signer = await loadSigner(store);
  const signed = signer.sign("session", "id");
  expect(signer.verify("session", signed)).toBe("id");
  expect(signer.verify("web", signed)).toBeUndefined();
  expect(signer.verify("session", signed.replace("id", "ie"))).toBeUndefined();
  expect(signer.verify("session", `id.${signer.mac("csrf", "id")}`)).toBeUndefined();
  expect(signer.verify("session", "id")).toBeUndefined();
  expect(signer.verify("session", "")).toBeUndefined();
  const afterRestart = await loadSigner(store);
  expect(afterRestart.verify("session", signed)).toBe("id");
  expect((await loadSigner(another)).verify("session", signed)).toBeUndefined();
});

test("a sandbox's answer can't reach beyond its port", () => {
  const headers = {
    "set-cookie": [
      "footbridge_session=stolen; Path=/",
      " Footbridge_vm=x",
      "theirs=1; Domain=lab.example; Path=/",
    ],
    "clear-site-data": '"*"',
    "strict-transport-security": "max-age=1",
    "content-type": "text/html",
  };
  cleanAnswer(headers);
  expect(headers).toEqual({ "set-cookie": ["theirs=1; Path=/"], "content-type": "text/html" });
});
