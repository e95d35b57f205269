import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { gone, seen, shellOpen, soon } from "./support/browser.ts";
import { Keyboard } from "./support/keyboard.ts";
import { progress, screen, setUpStubCourse, startLab } from "./support/stub-course.ts";

const course = setUpStubCourse();

describe("a learner", () => {
  test("joins, starts, runs what the lab says, sees tasks turn green, finds all of it again after a reload", async () => {
    await using visitor = await course.join("Ada Wirth");
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
    await using visitor = await course.browser.visit();
    const { page } = visitor;
    await page.goto(course.stub.app.learnerLink());
    const code = page.getByLabel(en.join.code);
    await soon(() => code.inputValue()).toBe("birch-harbour");
    await page.reload();
    await soon(() => code.inputValue()).toBe("birch-harbour");
    await code.fill("mistyped");
    const another = course.stub.app.learnerLink().replace("birch-harbour", "oak-harbour");
    expect(another).toContain("oak-harbour");
    await page.goto(another);
    await soon(() => code.inputValue()).toBe("oak-harbour");
    expect(visitor.complaints).toEqual([]);
  });

  test("asks for a hint, then for the solution", async () => {
    await using visitor = await course.join("Bruno Keller");
    const { page } = visitor;
    await startLab(page);
    await page.getByRole("button", { name: en.task.showHint(1, 1) }).click();
    await seen(page.getByText("Hint for first"));
    await page.getByRole("button", { name: en.task.showSolution }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.task.showSolution }).click();
    await seen(page.getByRole("region", { name: en.task.solution }));
  });

  test("powers the VM off and on with other hardware", async () => {
    await using visitor = await course.join("Chen Wei");
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
    await soon(() => panel.getByLabel(en.machine.cpus).inputValue()).toBe("4");
  });

  test("brings files in and out, edits one, opens the VM's web service", async () => {
    await using visitor = await course.join("Dagmar Öztürk");
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
    await using visitor = await course.join("Emeka Obi");
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
    await soon(() => page.getByRole("button", { name: en.labs.start }).isEnabled()).toBe(true);
  });

  test("who is signed out elsewhere is told, and led to the sign-in", async () => {
    await using visitor = await course.join("Hana Novák");
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
    await using visitor = await course.join("Ingrid Falk");
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
    await using visitor = await course.join("Jonas Berg", { width: 820, height: 1180, hasTouch: true });
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
    await using visitor = await course.browser.visit();
    const { page, context } = visitor;
    const keyboard = new Keyboard(page);
    const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
    const inDialog = (name: string) => page.getByRole("dialog").getByRole("button", { name, exact: true });
    const panel = page.getByRole("region", { name: en.attempt.sandbox });

    await page.goto(course.stub.app.learnerLink());
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
    const homes = course.stub.sandboxes.list().map((one) => one.machine()?.place.home ?? "");
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
    await soon(() => page.getByRole("tab", { name: "cluster" }).getAttribute("aria-selected")).toBe("true");
    await keyboard.press(button(en.terminal.split));
    await soon(() => page.getByRole("tablist").count()).toBe(2);
    await keyboard.goTo(en.attempt.instructions);
    const separator = page.getByRole("separator", { name: en.attempt.splitWidth });
    await keyboard.tabTo(separator);
    await page.keyboard.press("ArrowLeft");
    await soon(() => separator.getAttribute("aria-valuenow")).toBe("48");
    await page.keyboard.press("End");
    await soon(() => separator.getAttribute("aria-valuenow")).toBe("80");

    await keyboard.goTo(en.attempt.instructions);
    await keyboard.press(button(en.attempt.actions), "Shift+Tab");
    await keyboard.press(button(en.attempt.reset));
    await keyboard.press(inDialog(en.attempt.resetAction));
    await progress(page, 0);
  });
});
