import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { seen, shellOpen } from "./support/browser.ts";
import { progress, setUpStubCourse, startLab } from "./support/stub-course.ts";

const course = setUpStubCourse();

describe("an instructor", () => {
  test("signs in once by the link, sees learners come and work, looks on", async () => {
    const link = await course.stub.app.instructorLink();
    await using teacher = await course.browser.visit();
    const { page } = teacher;
    await page.goto(link);
    await seen(page.getByText("birch-harbour", { exact: true }));
    expect(page.url()).not.toContain("token");

    await using visitor = await course.join("Grzegorz");
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

    await using late = await course.browser.visit();
    await late.page.goto(link);
    await seen(late.page.getByRole("alert").getByText(en.room.linkUsed));
  });
});
