import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { zh } from "../../client/messages/zh.ts";
import { routes } from "../../server/protocol/http.ts";
import { expectAccessible, seen, shellOpen, soon } from "./support/browser.ts";
import {
  attempt,
  creatingSandbox,
  degradedSandbox,
  failedAtDisk,
  instructor,
  nobody,
  tasks,
} from "./support/sample-views.ts";
import { setUpScriptedPages } from "./support/scripted-pages.ts";

const pages = setUpScriptedPages();
const { server } = pages;

describe("accessibility", () => {
  const states: { name: string; path: string; prepare?: () => void; ready: string }[] = [
    { name: "join", path: "/join", prepare: () => (server.script.session = nobody), ready: en.join.title },
    { name: "labs", path: "/", prepare: () => (server.script.current = attempt()), ready: en.labs.title },
    { name: "lab", path: "/labs/maintenance", ready: "Nodes under maintenance" },
    { name: "not found", path: "/nowhere", ready: en.notFound.title },
    {
      name: "error",
      path: "/",
      prepare: () =>
        server.script.failures.set(routes.labs, {
          status: 503,
          code: "docker_unavailable",
          message: "could not reach docker",
          hint: "start the Docker service",
        }),
      ready: en.failure.codes.docker_unavailable,
    },
    {
      name: "lab page",
      path: "/attempts/a1",
      prepare: () => (server.script.attempt = attempt({ tasks: failedAtDisk })),
      ready: "First crossing",
    },
    {
      name: "lab page that comes up",
      path: "/attempts/a1",
      prepare: () => (server.script.attempt = attempt({ sandbox: creatingSandbox, tasks: tasks(0) })),
      ready: en.step.title,
    },
    {
      name: "lab page that is broken",
      path: "/attempts/a1",
      prepare: () => (server.script.attempt = attempt({ sandbox: degradedSandbox })),
      ready: "First crossing",
    },
    {
      name: "room",
      path: "/instructor",
      prepare: () => (server.script.session = instructor),
      ready: en.room.capacity,
    },
  ];

  test.each(states)("$name", async ({ name, path, prepare, ready }) => {
    prepare?.();
    await using visitor = await pages.open(path);
    await seen(visitor.page.getByRole("heading", { name: ready }));
    await expectAccessible(visitor.page, name);
    const isWide = await visitor.page.evaluate(
      () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
    );
    expect(isWide).toBe(false);
  });

  test("the sandbox panel's views", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const panel = visitor.page.getByRole("region", { name: en.attempt.sandbox });
    for (const view of [en.machine.title, en.cluster.title, en.web.title, en.files.title]) {
      await panel.getByRole("button", { name: new RegExp(`^${view}`) }).click();
      await expectAccessible(visitor.page, view);
    }
  });

  test("narrow and tablet widths need no scrolling sideways", async () => {
    for (const [width, height] of [
      [820, 1180],
      [390, 844],
    ] as const)
      for (const path of ["/", "/labs/maintenance", "/attempts/a1"]) {
        await using visitor = await pages.open(path, { width, height, hasTouch: true });
        await seen(visitor.page.getByRole("heading", { level: 1 }));
        const { scrollWidth, clientWidth } = await visitor.page.evaluate(() => ({
          scrollWidth: document.documentElement.scrollWidth,
          clientWidth: document.documentElement.clientWidth,
        }));
        expect(scrollWidth, `${path} at ${width} px`).toBe(clientWidth);
      }
  });
});

describe("texts", () => {
  test("a Chinese browser gets Chinese, and says so", async () => {
    await using visitor = await pages.open("/", { locale: "zh-CN" });
    await seen(visitor.page.getByRole("heading", { name: zh.labs.title, level: 1 }));
    await seen(visitor.page.getByText("初次跨越"));
    expect(await visitor.page.locator("html").getAttribute("lang")).toBe("zh-Hans");
    expect(await visitor.page.title()).toBe("实验 · Footbridge");
  });

  test("the language changes at once, texts of the server included, and stays", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByRole("heading", { name: "First crossing" }));
    await page.getByRole("button", { name: en.display.button }).click();
    await page.getByRole("radio", { name: "简体中文" }).check();
    await seen(page.getByRole("heading", { name: zh.attempt.tasks }));
    await seen(page.getByRole("heading", { name: "磁盘已满" }));
    await page.reload();
    await seen(page.getByRole("heading", { name: zh.attempt.tasks }));
  });

  test("terminals can be read by a screen reader where that is chosen, and it stays", async () => {
    server.script.screens = { vm: "admin@machine:~$ uname\r\nLinux\r\nadmin@machine:~$ " };
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    const lines = page.getByRole("tabpanel").filter({ visible: true }).getByRole("listitem");
    expect(await lines.count()).toBe(0);
    await page.getByRole("button", { name: en.display.button }).click();
    await page.getByRole("checkbox", { name: en.display.screenReader }).check();
    const read = async () => (await lines.allTextContents()).map((line) => line.trim()).filter(Boolean);
    const screen = ["admin@machine:~$ uname", "Linux", "admin@machine:~$"];
    await soon(read).toEqual(screen);
    await page.reload();
    await shellOpen(page, en.terminal.roleNames.vm);
    await soon(read).toEqual(screen);
    await page.getByRole("button", { name: en.display.button }).click();
    expect(await page.getByRole("checkbox", { name: en.display.screenReader }).isChecked()).toBe(true);
  });

  test("dark is a choice that outlives a reload", async () => {
    await using visitor = await pages.open("/");
    const { page } = visitor;
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: en.display.button }).click();
    await page.getByRole("radio", { name: en.display.themes.dark }).check();
    await soon(ground).not.toBe(light);
    const dark = await ground();
    await page.reload();
    await seen(page.getByRole("main"));
    await soon(ground).toBe(dark);
  });
});
