import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildClient } from "../../client/build.ts";
import { en } from "../../client/messages/en.ts";
import { createStubApp, type StubApp } from "../support/stub-app.ts";
import {
  gone,
  openBrowser,
  type PageLooks,
  seen,
  shellOpen,
  soon,
  type TestBrowser,
  type Visitor,
} from "./support/browser.ts";

let browser: TestBrowser;
let stub: StubApp;
let dir: string;
const web = createServer((_request, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>Inventory</title><h1>Inventory</h1>");
});

beforeAll(async () => {
  // The holders of shells make sockets in here, whose paths must be short.
  dir = await mkdtemp(join(tmpdir(), "fb-p-"));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;
  const [opened, { outDir }] = await Promise.all([openBrowser(), buildClient()]);
  browser = opened;
  stub = await createStubApp({
    dir,
    settings: { joinCode: "birch-harbour" },
    sandboxes: { stepMs: 150, ports: (world) => (world === "vm" ? port : undefined) },
    app: { clientDir: outDir },
  });
  await stub.app.listen();
  await stub.app.untilReady();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  for (const sandbox of stub.sandboxes.list()) await stub.sandboxes.destroy(sandbox.id);
  await stub[Symbol.asyncDispose]();
  web.close();
  await rm(dir, { recursive: true, force: true });
});

/** A new learner on their first page. */
async function joinCourse(name: string, looks?: PageLooks): Promise<Visitor> {
  const visitor = await browser.visit(looks);
  // Terminals then have their text where a test, like a screen reader, can read it.
  await visitor.context.addInitScript(() => {
    if (!localStorage.getItem("footbridge.preferences"))
      localStorage.setItem("footbridge.preferences", JSON.stringify({ screenReader: true }));
  });
  const { page } = visitor;
  await page.goto(stub.app.learnerLink());
  await page.getByLabel(en.join.name).fill(name);
  await page.getByRole("button", { name: en.join.submit }).click();
  await seen(page.getByRole("heading", { name: en.labs.title, level: 1 }));
  return visitor;
}

async function startLab(page: Page): Promise<void> {
  await page.getByRole("button", { name: en.labs.start }).click();
  await seen(page.getByRole("heading", { name: "Stub lab" }));
  await shellOpen(page, en.terminal.roleNames.vm);
}

const progress = (page: Page, passed: number) => seen(page.getByText(en.task.progress(passed, 3)));

/** The text that the terminal in front has on its screen. */
const screen = (page: Page) => page.locator(".work-panel:not([hidden]) .xterm-accessibility-tree");

describe("a learner", () => {
  test("joins, starts, runs what the lab says, sees tasks turn green, finds all of it again after a reload", async () => {
    await using visitor = await joinCourse("Ada Wirth");
    const { page } = visitor;
    await startLab(page);
    await progress(page, 0);
    await page.getByRole("button", { name: en.code.runIn.vm }).click();
    await progress(page, 1);
    await soon(() => screen(page).textContent()).toContain("first");

    await page.reload();
    await progress(page, 1);
    await soon(() => screen(page).textContent()).toContain("first");

    await page.getByRole("button", { name: en.code.runIn.cluster }).click();
    await shellOpen(page, en.terminal.roleNames.cluster);
    await progress(page, 2);
    // Into the terminal that has the focus since the command ran.
    await page.keyboard.type("touch ~/third\n");
    await seen(page.getByText(en.task.allPassed));
    expect(visitor.complaints).toEqual([]);
  });

  test("keeps the link's code over a reload, and takes that of another link", async () => {
    await using visitor = await browser.visit();
    const { page } = visitor;
    await page.goto(stub.app.learnerLink());
    const code = page.getByLabel(en.join.code);
    await soon(() => code.inputValue()).toBe("birch-harbour");
    await page.reload();
    await soon(() => code.inputValue()).toBe("birch-harbour");
    await code.fill("mistyped");
    const another = stub.app.learnerLink().replace("birch-harbour", "oak-harbour");
    expect(another).toContain("oak-harbour");
    await page.goto(another);
    await soon(() => code.inputValue()).toBe("oak-harbour");
    expect(visitor.complaints).toEqual([]);
  });

  test("asks for a hint, then for the solution", async () => {
    await using visitor = await joinCourse("Bruno Keller");
    const { page } = visitor;
    await startLab(page);
    await page.getByRole("button", { name: en.task.showHint(1, 1) }).click();
    await seen(page.getByText("Hint for first"));
    await page.getByRole("button", { name: en.task.showSolution }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.task.showSolution }).click();
    await seen(page.getByRole("region", { name: en.task.solution }));
  });

  test("powers the VM off and on with other hardware", async () => {
    await using visitor = await joinCourse("Chen Wei");
    const { page } = visitor;
    await startLab(page);
    await seen(page.getByText(en.sandbox.phases.ready, { exact: true }));
    const panel = page.getByRole("region", { name: en.attempt.sandbox });
    await panel.getByRole("button", { name: /^VM/ }).click();
    await panel.getByLabel(en.machine.cpus).fill("4");
    await panel.getByRole("button", { name: en.machine.apply }).click();
    await seen(panel.getByText(en.machine.pending, { exact: true }));
    await panel.getByRole("button", { name: en.machine.actions.off }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.machine.actions.off }).click();
    await seen(panel.getByText(en.machine.power.off, { exact: true }));
    await panel.getByRole("button", { name: en.machine.actions.on }).click();
    await seen(panel.getByText(en.machine.power.on, { exact: true }));
    await gone(panel.getByText(en.machine.pending, { exact: true }));
    expect(await panel.getByLabel(en.machine.cpus).inputValue()).toBe("4");
  });

  test("brings files in and out, edits one, opens the VM's web service", async () => {
    await using visitor = await joinCourse("Dagmar Öztürk");
    const { page, context } = visitor;
    await startLab(page);
    const panel = page.getByRole("region", { name: en.attempt.sandbox });
    await panel.getByRole("button", { name: en.files.title }).click();
    const send = page.getByRole("form", { name: en.files.sendSection });
    await send
      .getByLabel(en.files.chooseFile)
      .setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("one\n") });
    await send.getByRole("button", { name: en.files.upload }).click();
    await seen(send.getByText(en.files.uploaded("/home/admin/notes.txt")));
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await get.getByLabel(en.files.path).fill("/home/admin/notes.txt");
    await get.getByRole("button", { name: en.files.edit }).click();
    const text = page.getByRole("textbox", { name: en.editor.text });
    await soon(() => text.inputValue()).toBe("one\n");
    await text.fill("one\ntwo\n");
    await page.getByRole("button", { name: en.editor.save }).click();
    await seen(page.getByText(/Saved at/));
    await page.getByRole("tab", { name: "vm" }).click();
    await (await shellOpen(page, en.terminal.roleNames.vm)).focus();
    await page.keyboard.type("cat notes.txt\n");
    await soon(() => screen(page).textContent()).toMatch(/one.*two/);

    await panel.getByRole("button", { name: en.web.title }).click();
    const [tab] = await Promise.all([
      context.waitForEvent("page"),
      page.getByRole("button", { name: en.web.openService("Inventory") }).click(),
    ]);
    await seen(tab.getByRole("heading", { name: "Inventory" }));
  });

  test("resets to a new sandbox where the tasks begin again, then ends", async () => {
    await using visitor = await joinCourse("Emeka Obi");
    const { page } = visitor;
    await startLab(page);
    await page.getByRole("button", { name: en.code.runIn.vm }).click();
    await progress(page, 1);
    await page.getByRole("button", { name: en.attempt.actions, exact: true }).click();
    await page.getByRole("button", { name: en.attempt.reset }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.attempt.resetAction }).click();
    await progress(page, 0);
    await seen(page.getByText(en.sandbox.phases.ready, { exact: true }));
    await shellOpen(page, en.terminal.roleNames.vm);
    await page.getByRole("button", { name: en.attempt.actions, exact: true }).click();
    await page.getByRole("button", { name: en.attempt.end }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.attempt.endAction }).click();
    await seen(page.getByText(en.attempt.endedHelp));
    await page.getByRole("link", { name: en.failure.home }).click();
    expect(await page.getByRole("button", { name: en.labs.start }).isEnabled()).toBe(true);
  });

  test("who is signed out elsewhere is told, and led to the sign-in", async () => {
    await using visitor = await joinCourse("Hana Novák");
    const { page, context } = visitor;
    await startLab(page);
    const other = await context.newPage();
    await other.goto(new URL("/", page.url()).href);
    await other.getByRole("button", { name: "Hana Novák" }).click();
    await other.getByRole("button", { name: en.session.leave }).click();
    await seen(other.getByRole("heading", { name: en.join.title }));
    await seen(page.getByRole("alert").getByText(en.failure.codes.not_signed_in));
    await page.getByRole("link", { name: en.session.signInAgain }).click();
    await seen(page.getByRole("heading", { name: en.join.title }));
  });

  test("copies a command with one click", async () => {
    await using visitor = await joinCourse("Ingrid Falk");
    const { page, context } = visitor;
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await startLab(page);
    const block = page.getByRole("figure").filter({ hasText: 'touch "$STUB_HOME/second"' });
    await block.getByRole("button", { name: en.copy, exact: true }).click();
    await seen(block.getByRole("button", { name: en.copied }));
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('touch "$STUB_HOME/second"');
    // It is copied, not run.
    await progress(page, 0);
  });

  test("does all of it by touch on a tablet", async () => {
    await using visitor = await joinCourse("Jonas Berg", { width: 820, height: 1180, hasTouch: true });
    const { page } = visitor;
    await page.getByRole("button", { name: en.labs.start }).tap();
    await shellOpen(page, en.terminal.roleNames.vm);
    await page.getByRole("button", { name: en.code.runIn.vm }).tap();
    await progress(page, 1);
    await page.getByRole("tab", { name: "console" }).tap();
    await shellOpen(page, en.terminal.roleNames.console);
    await page.getByRole("tab", { name: "cluster" }).tap();
    await shellOpen(page, en.terminal.roleNames.cluster);
    await seen(page.getByText(en.sandbox.phases.ready, { exact: true }));
    const panel = page.getByRole("region", { name: en.attempt.sandbox });
    await panel.getByRole("button", { name: /^VM/ }).tap();
    await panel.getByRole("button", { name: en.machine.actions.off }).tap();
    await page.getByRole("dialog").getByRole("button", { name: en.machine.actions.off }).tap();
    await seen(panel.getByText(en.machine.power.off, { exact: true }));
    expect(visitor.complaints).toEqual([]);
  });

  test("does all of it by keyboard alone", async () => {
    await using visitor = await browser.visit();
    const { page, context } = visitor;
    const keyboard = new Keyboard(page);
    const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
    const inDialog = (name: string) => page.getByRole("dialog").getByRole("button", { name, exact: true });
    const panel = page.getByRole("region", { name: en.attempt.sandbox });

    await page.goto(stub.app.learnerLink());
    await keyboard.tabTo(page.getByLabel(en.join.name));
    await page.keyboard.type("Fatima El-Sayed\n");
    await seen(page.getByRole("heading", { name: en.labs.title, level: 1 }));
    await page.reload();
    await seen(page.getByRole("heading", { name: en.labs.title, level: 1 }));
    await page.keyboard.press("Tab");
    expect(await keyboard.isOn(page.getByRole("link", { name: en.skipToContent }))).toBe(true);
    await page.keyboard.press("Enter");
    await keyboard.press(button(en.labs.start));
    await shellOpen(page, en.terminal.roleNames.vm);
    await seen(page.getByText(en.sandbox.phases.ready, { exact: true }));

    // F6 goes from part to part; a terminal gives it back.
    await keyboard.goTo(en.attempt.instructions);
    await page.keyboard.press("F6");
    expect(await keyboard.where()).toBe(en.terminal.roleNames.vm);
    await page.keyboard.press("F6");
    expect(await keyboard.where()).toBe(en.attempt.sandbox);
    await page.keyboard.press("Shift+F6");
    expect(await keyboard.where()).toBe(en.terminal.roleNames.vm);

    await keyboard.goTo(en.attempt.instructions);
    await keyboard.press(button(en.task.showHint(1, 1)));
    await seen(page.getByText("Hint for first"));
    await keyboard.goTo(en.attempt.instructions);
    await keyboard.press(button(en.task.showSolution));
    await keyboard.press(inDialog(en.task.showSolution));
    await seen(page.getByRole("region", { name: en.task.solution }));
    await keyboard.goTo(en.attempt.instructions);
    await keyboard.press(button(en.code.runIn.vm));
    await progress(page, 1);
    // The terminal has the focus since then.
    await page.keyboard.type("echo typed > ~/notes\n");
    const homes = stub.sandboxes.list().map((one) => one.machine()?.place.home ?? "");
    const notes = (home: string) => readFile(join(home, "notes"), "utf8").catch(() => "");
    await soon(async () => await Promise.all(homes.map(notes))).toContain("typed\n");

    await keyboard.goTo(en.attempt.sandbox);
    await keyboard.press(panel.getByRole("button", { name: en.files.title }));
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await keyboard.tabTo(get.getByLabel(en.files.path));
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("/home/admin/notes");
    await keyboard.press(get.getByRole("button", { name: en.files.edit }));
    const text = page.getByRole("textbox", { name: en.editor.text });
    await soon(() => text.inputValue()).toBe("typed\n");
    await keyboard.goTo(en.attempt.terminals);
    await keyboard.tabTo(text);
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("edited\n");
    await page.keyboard.press("ControlOrMeta+s");
    await seen(page.getByText(/Saved at/));

    await keyboard.goTo(en.attempt.sandbox);
    await keyboard.press(panel.getByRole("button", { name: en.web.title }));
    const [tab] = await Promise.all([
      context.waitForEvent("page"),
      keyboard.press(button(en.web.openService("Inventory"))),
    ]);
    await seen(tab.getByRole("heading", { name: "Inventory" }));
    await tab.close();

    await keyboard.goTo(en.attempt.sandbox);
    await keyboard.press(panel.getByRole("button", { name: /^VM/ }));
    await keyboard.press(button(en.machine.actions.off));
    await keyboard.press(inDialog(en.machine.actions.off));
    await seen(panel.getByText(en.machine.power.off, { exact: true }));
    await keyboard.goTo(en.attempt.sandbox);
    await keyboard.press(button(en.machine.actions.on));
    await seen(panel.getByText(en.machine.power.on, { exact: true }));

    // Between tabs by arrows, and side by side.
    await keyboard.goTo(en.attempt.instructions);
    await keyboard.tabTo(page.getByRole("tab", { selected: true }));
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    expect(await page.getByRole("tab", { name: "cluster" }).getAttribute("aria-selected")).toBe("true");
    await keyboard.press(button(en.terminal.split));
    expect(await page.getByRole("tablist").count()).toBe(2);
    await keyboard.goTo(en.attempt.instructions);
    const separator = page.getByRole("separator", { name: en.attempt.splitWidth });
    await keyboard.tabTo(separator);
    await page.keyboard.press("ArrowLeft");
    expect(await separator.getAttribute("aria-valuenow")).toBe("48");
    await page.keyboard.press("End");
    expect(await separator.getAttribute("aria-valuenow")).toBe("80");

    await keyboard.goTo(en.attempt.instructions);
    await keyboard.press(button(en.attempt.actions), "Shift+Tab");
    await keyboard.press(button(en.attempt.reset));
    await keyboard.press(inDialog(en.attempt.resetAction));
    await progress(page, 0);
  });
});

/** A person who has no pointer. */
class Keyboard {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Label of what has the focus. */
  where(): Promise<string | null | undefined> {
    return this.#page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  }

  isOn(target: Locator): Promise<boolean> {
    return target.first().evaluate((element) => element === document.activeElement);
  }

  /** By F6 to a part of the page; one that stands before where the focus is takes a round. */
  async goTo(part: string): Promise<void> {
    for (let presses = 0; presses < 4; presses += 1) {
      await this.#page.keyboard.press("F6");
      if ((await this.where()) === part) return;
    }
    throw new Error(`F6 does not reach "${part}"`);
  }

  async tabTo(target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
    await target.first().waitFor();
    for (let presses = 0; presses < 60; presses += 1) {
      if (await this.isOn(target)) return;
      await this.#page.keyboard.press(key);
    }
    throw new Error(`${key} does not reach ${target}`);
  }

  async press(target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
    // A button that can't be pressed yet is left out of the way.
    await soon(() => target.first().isEnabled()).toBe(true);
    await this.tabTo(target, key);
    await this.#page.keyboard.press("Enter");
  }
}

describe("an instructor", () => {
  test("signs in once by the link, sees learners come and work, looks on", async () => {
    const link = await stub.app.instructorLink();
    await using teacher = await browser.visit();
    const { page } = teacher;
    await page.goto(link);
    await seen(page.getByText("birch-harbour", { exact: true }));
    expect(page.url()).not.toContain("token");

    await using visitor = await joinCourse("Grzegorz");
    await startLab(visitor.page);
    const row = page.getByRole("row").filter({ hasText: "Grzegorz" });
    await seen(row.getByText("0/3"));
    await visitor.page.getByRole("button", { name: en.code.runIn.vm }).click();
    await seen(row.getByText("1/3"));

    await row.getByRole("link").click();
    await seen(page.getByText(en.attempt.readOnly("Grzegorz")));
    await progress(page, 1);
    await shellOpen(page, en.terminal.roleNames.vm);
    await seen(page.getByText(en.terminal.screen.watching));
    expect(await page.getByRole("button", { name: en.terminal.screen.takeKeyboard }).count()).toBe(0);

    await using late = await browser.visit();
    await late.page.goto(link);
    await seen(late.page.getByRole("alert").getByText(en.room.linkUsed));
  });
});
