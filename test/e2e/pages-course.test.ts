import { beforeEach, describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { routes } from "../../server/protocol/http.ts";
import { seen, soon } from "./support/browser.ts";
import { instructor, nobody, room } from "./support/sample-views.ts";
import { setUpScriptedPages } from "./support/scripted-pages.ts";

const pages = setUpScriptedPages();
const { server } = pages;

describe("secrets in links", () => {
  test("the join code leaves the address at once and is filled in", async () => {
    server.script.session = nobody;
    await using visitor = await pages.open("/join#code=birch-harbour-42");
    await seen(visitor.page.getByLabel(en.join.code));
    expect(visitor.page.url()).toBe(`${server.url}/join`);
    await soon(() => visitor.page.getByLabel(en.join.code).inputValue()).toBe("birch-harbour-42");
  });

  test("the instructor's token is spent and leaves the address", async () => {
    server.script.session = nobody;
    await using visitor = await pages.open("/instructor#token=0123456789abcdef");
    await seen(visitor.page.getByRole("heading", { name: en.room.capacity }));
    expect(visitor.page.url()).toBe(`${server.url}/instructor`);
    expect(server.requests).toEqual([{ route: routes.instructor, body: { token: "0123456789abcdef" } }]);
  });
});

describe("join", () => {
  beforeEach(() => {
    server.script.session = nobody;
  });

  test("says what is missing, and goes to the first wrong field", async () => {
    await using visitor = await pages.open("/join");
    const { page } = visitor;
    await page.getByRole("button", { name: en.join.submit }).click();
    await seen(page.getByText(en.join.codeMissing));
    await seen(page.getByText(en.join.nameMissing));
    await soon(() => page.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("code");
    expect(server.requests).toEqual([]);
  });

  test("a wrong code is told in words", async () => {
    server.script.failures.set(routes.join, {
      status: 403,
      code: "forbidden",
      message: "this join code is not the course's",
    });
    await using visitor = await pages.open("/join");
    const { page } = visitor;
    await page.getByLabel(en.join.code).fill("wrong");
    await page.getByLabel(en.join.name).fill("Ada");
    await page.keyboard.press("Enter");
    const alert = page.getByRole("alert");
    await seen(alert.getByText(en.join.wrongCode));
    await seen(alert.getByText("This join code is not the course's."));
  });

  test("a server that is gone is told as such", async () => {
    await using visitor = await pages.open("/join");
    const { page } = visitor;
    await page.getByLabel(en.join.code).fill("code");
    await visitor.context.setOffline(true);
    await page.getByLabel(en.join.name).fill("Ada");
    await page.keyboard.press("Enter");
    await seen(page.getByRole("alert").getByText(en.failure.unreachable));
  });
});

describe("labs", () => {
  test("a lab that is not offered says why and can't be started", async () => {
    await using visitor = await pages.open("/");
    const row = visitor.page.getByRole("listitem").filter({ hasText: "Walls between pods" });
    await seen(row.getByText("the node image of this host has no enforcer", { exact: false }));
    expect(await row.getByRole("button", { name: en.labs.start }).isDisabled()).toBe(true);
  });

  test("no labs at all is said", async () => {
    server.script.labs = () => [];
    await using visitor = await pages.open("/");
    await seen(visitor.page.getByText(en.labs.none));
  });
});

describe("room", () => {
  beforeEach(() => {
    server.script.session = instructor;
  });

  test("whoever needs help stands first; people are found and sorted", async () => {
    await using visitor = await pages.open("/instructor");
    const { page } = visitor;
    const names = () => page.getByRole("rowheader").allTextContents();
    await seen(page.getByRole("rowheader").first());
    expect((await names())[0]).toBe("Dagmar Öztürk");
    await page.getByRole("button", { name: en.room.columns.progress }).click();
    await page.getByRole("button", { name: en.room.columns.progress }).click();
    await soon(async () => (await names())[0]).toBe("Chen Wei");
    expect(
      await page.getByRole("columnheader", { name: en.room.columns.progress }).getAttribute("aria-sort"),
    ).toBe("descending");
    await page.getByLabel(en.room.filter).fill("nov");
    await soon(names).toEqual(["Hana Novák"]);
    await seen(page.getByText(en.room.stateQueued(1)));
  });

  test("a learner's attempt opens to look on", async () => {
    await using visitor = await pages.open("/instructor");
    const { page } = visitor;
    await page.getByRole("link", { name: en.room.openAttempt("Ada Wirth") }).click();
    await seen(page.getByText(en.attempt.readOnly("Ada Wirth")));
    expect(await page.getByRole("button", { name: en.code.runIn.vm }).count()).toBe(0);
    expect(await page.getByRole("button", { name: en.files.title }).count()).toBe(0);
    await page.getByRole("link", { name: en.room.back }).click();
    await seen(page.getByRole("heading", { name: en.room.capacity }));
  });

  test("an empty room says how to fill it", async () => {
    server.script.room = { ...room(), rows: [] };
    await using visitor = await pages.open("/instructor");
    await seen(visitor.page.getByText(en.room.emptyHelp));
  });
});
