import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { routes } from "../../server/protocol/http.ts";
import { gone, seen, shellOpen, soon } from "./support/browser.ts";
import { attempt, tasks } from "./support/sample-views.ts";
import { setUpScriptedPages } from "./support/scripted-pages.ts";

const pages = setUpScriptedPages();
const { server } = pages;

describe("connection", () => {
  test("a lost connection is told, and its return too", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    // It has tried by itself; what comes next is a person's.
    await soon(() => server.refused()).toBeGreaterThan(0);
    server.setReachable(true);
    server.script.attempt = attempt({ tasks: tasks(5) });
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await gone(page.getByText(en.connection.lostHelp));
    // What changed meanwhile is there.
    await seen(page.getByText(en.task.progress(5, 8)));
  });

  test("an older view never takes the place of a newer one, neither at once nor after a reconnect", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.push(attempt({ version: { server: "first", count: 7 }, tasks: tasks(5) }));
    await seen(page.getByText(en.task.progress(5, 8)));
    server.push(attempt({ version: { server: "first", count: 6 }, tasks: tasks(3) }));
    const refused = server.refused();
    // Comes after it on the same connection.
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    expect(await page.getByText(en.task.progress(5, 8)).count()).toBe(1);
    await soon(() => server.refused()).toBeGreaterThan(refused);
    server.script.refusal = { code: "timed_out", message: "the lab server is still starting" };
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await seen(page.getByText(en.failure.codes.timed_out));
    const extend = page.getByRole("button", { name: en.attempt.extend("1 hr"), disabled: false });
    await extend.click();
    await soon(() => server.requests.map(({ route }) => route)).toEqual([routes.extendAttempt]);
    await seen(extend);
    expect(await page.getByText(en.task.progress(5, 8)).count()).toBe(1);
  });

  test("what another server answers is shown, before the page is connected to it and after", async () => {
    server.script.attempt = attempt({ version: { server: "first", count: 7 }, tasks: tasks(5) });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    server.script.attempt = attempt({ version: { server: "second", count: 2 }, tasks: tasks(6) });
    await page.getByRole("button", { name: en.attempt.extend("1 hr") }).click();
    await seen(page.getByText(en.task.progress(6, 8)));
    expect(await page.getByText(en.connection.lostHelp).count()).toBe(1);
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await gone(page.getByText(en.connection.lostHelp));
    server.push(attempt({ version: { server: "third", count: 1 }, tasks: tasks(7) }));
    await seen(page.getByText(en.task.progress(7, 8)));
  });

  test("a question lost with its connection spoils nothing once it was answered over the next", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await page.clock.install();
    server.script.isSilent = true;
    await page.reload();
    await soon(() => server.unanswered()).toBeGreaterThan(0);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    server.script.isSilent = false;
    server.script.attempt = attempt({ tasks: tasks(5) });
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await seen(page.getByText(en.task.progress(5, 8)));
    // By then the first is given up.
    await page.clock.runFor(20_000);
    expect(await page.getByText(en.failure.unreachable).count()).toBe(0);
  });

  test("what a server refused while it started comes by itself when it is ready", async () => {
    server.script.refusal = { code: "timed_out", message: "the lab server is still starting" };
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByText(en.terminal.screen.refused));
    await seen(page.getByText(en.failure.codes.timed_out));
    server.script.attempt = attempt({ tasks: tasks(5) });
    server.script.screens = { vm: "admin@vm:~$ " };
    server.becomeReady();
    await gone(page.getByText(en.terminal.screen.refused));
    await gone(page.getByText(en.failure.codes.timed_out));
    await seen(page.getByText(en.task.progress(5, 8)));
    await (await shellOpen(page, en.terminal.roleNames.vm)).focus();
    await page.keyboard.type("id");
    await soon(() => server.typed.get("vm-1")).toBe("id");
  });
});
