import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { buildClient } from "../../../client/build.ts";
import { en } from "../../../client/messages/en.ts";
import { createStubApp, type StubApp } from "../../support/stub-app.ts";
import { openBrowser, type PageLooks, seen, shellOpen, type TestBrowser, type Visitor } from "./browser.ts";

/** A course on the whole lab server, whose sandboxes are folders, and a browser for who takes part. */
export interface StubCourse {
  readonly browser: TestBrowser;
  readonly stub: StubApp;
  /** A new learner on their first page. */
  join(name: string, looks?: PageLooks): Promise<Visitor>;
}

/** Has the tests of the file share one, where a web service runs in every VM. */
export function setUpStubCourse(): StubCourse {
  const web = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>Inventory</title><h1>Inventory</h1>");
  });
  let dir: string;
  let browser: TestBrowser;
  let stub: StubApp;
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
  return {
    get browser() {
      return browser;
    },
    get stub() {
      return stub;
    },
    async join(name, looks) {
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
    },
  };
}

/** Starts the lab and waits until its VM can be typed into. */
export async function startLab(page: Page): Promise<void> {
  await page.getByRole("button", { name: en.labs.start }).click();
  await seen(page.getByRole("heading", { name: "Stub lab" }));
  await shellOpen(page, en.terminal.roleNames.vm);
}

/** Waits until so many tasks are passed. */
export async function progress(page: Page, passed: number): Promise<void> {
  await seen(page.getByText(en.task.progress(passed, 3)));
}

/** The text that the terminal in front has on its screen. */
export function screen(page: Page): Locator {
  return page.locator(".work-panel:not([hidden]) .xterm-accessibility-tree");
}
