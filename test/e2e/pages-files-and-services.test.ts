import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { seen, soon, type Visitor } from "./support/browser.ts";
import { setUpScriptedPages } from "./support/scripted-pages.ts";

const pages = setUpScriptedPages();
const { server } = pages;

describe("files and services", () => {
  const view = (visitor: Visitor, name: string) =>
    visitor.page.getByRole("region", { name: en.attempt.sandbox }).getByRole("button", { name }).click();

  test("a file is opened, changed and saved; unsaved changes are not lost by accident", async () => {
    server.script.files.set("/etc/app.yaml", "app:\n  port: 80\n");
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await view(visitor, en.files.title);
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await get.getByLabel(en.files.path).fill("/etc/app.yaml");
    await get.getByRole("button", { name: en.files.edit }).click();
    const text = page.getByRole("textbox", { name: en.editor.text });
    await soon(() => text.inputValue()).toBe("app:\n  port: 80\n");
    // Enter keeps the indentation of the line.
    await text.press("ControlOrMeta+End");
    await text.press("ArrowLeft");
    await page.keyboard.type("\nhost: db");
    expect(await text.inputValue()).toBe("app:\n  port: 80\n  host: db\n");
    await seen(page.getByText(en.editor.unsaved, { exact: true }));
    await page.getByRole("tab", { name: /app\.yaml|Editor/ }).press("Delete");
    await page.getByRole("dialog").getByRole("button", { name: en.cancel }).click();
    await text.press("ControlOrMeta+s");
    await seen(page.getByText(/Saved at/));
    expect(server.script.files.get("/etc/app.yaml")).toBe("app:\n  port: 80\n  host: db\n");
  });

  test("a download, an upload, and a path that is none", async () => {
    server.script.files.set("/home/admin/notes.txt", "remember\n");
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await view(visitor, en.files.title);
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await get.getByLabel(en.files.path).fill("notes.txt");
    await get.getByRole("button", { name: en.files.download }).click();
    await seen(get.getByText(en.files.pathInvalid));
    await get.getByLabel(en.files.path).fill("/home/admin/notes.txt");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      get.getByRole("button", { name: en.files.download }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("notes.txt");
    await get.getByLabel(en.files.path).fill("/home/admin/none.txt");
    await get.getByRole("button", { name: en.files.download }).click();
    await seen(get.getByRole("alert").getByText(en.failure.codes.not_found));
    const send = page.getByRole("form", { name: en.files.sendSection });
    await send
      .getByLabel(en.files.chooseFile)
      .setInputFiles({ name: "hosts", mimeType: "text/plain", buffer: Buffer.from("10.0.0.1 db\n") });
    await send.getByRole("button", { name: en.files.upload }).click();
    await seen(send.getByText(en.files.uploaded("/home/admin/hosts")));
    expect(server.script.files.get("/home/admin/hosts")).toBe("10.0.0.1 db\n");
  });

  test("a web service opens in a tab of its own that can't reach back", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page, context } = visitor;
    await view(visitor, en.web.title);
    const [tab] = await Promise.all([
      context.waitForEvent("page"),
      page.getByRole("button", { name: en.web.openService("Inventory on the VM") }).click(),
    ]);
    await seen(tab.getByRole("heading", { name: "service on vm" }));
    expect(await tab.evaluate(() => window.opener)).toBeNull();
    await page.getByRole("form", { name: en.web.other }).getByLabel(en.web.port).fill("70000");
    await page.getByRole("form", { name: en.web.other }).getByRole("button", { name: en.web.open }).click();
    await seen(page.getByText(en.web.portInvalid));
  });
});
