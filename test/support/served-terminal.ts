import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createTerminalHub } from "../../server/terminal/terminal-hub.ts";
import { openBrowser, type TestBrowser, type Visitor } from "../e2e/support/browser.ts";
import { poll } from "../poll.ts";
import { freePorts } from "./free-port.ts";
import { type LocalPlace, makeLocalPlace } from "./local-place.ts";
import { serveTerminals, type TerminalServer } from "./terminal-server.ts";

/** Longest that a terminal's page may take to be as it should. */
export const WAIT_MS = 30_000;

/** This host's shell, served to a browser, and a visitor who opens its page. */
export interface ServedTerminal {
  readonly place: LocalPlace;
  readonly hub: ReturnType<typeof createTerminalHub>;
  readonly server: TerminalServer;
  readonly url: string;
  readonly context: BrowserContext;
  /** What pages complained about: errors, and what their policy refused. */
  readonly complaints: string[];
  /** A page as a screen reader has it, so that its text can be read here as well; the terminal has the focus. */
  openPage(query?: string, as?: BrowserContext): Promise<Page>;
  /** Ends server and hub; the shells go on. */
  stop(): Promise<void>;
  /** Starts new ones at the same address. */
  start(): Promise<void>;
}

/** Has each test of the file served one, in a browser that all of them share. */
export function setUpServedTerminal(): ServedTerminal {
  let browser: TestBrowser;
  let place: LocalPlace;
  let port: number;
  let running: Awaited<ReturnType<typeof open>>;
  let visitor: Visitor;
  let complaints: string[];
  const open = async () => {
    const hub = createTerminalHub({
      resolve: () => ({
        place: () => place,
        openConsole: () => Promise.reject(new Error("no console here")),
      }),
    });
    return { hub, server: await serveTerminals(hub, port) };
  };
  const stop = async () => {
    await running.server[Symbol.asyncDispose]();
    await running.hub[Symbol.asyncDispose]();
  };
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser[Symbol.asyncDispose]());
  beforeEach(async () => {
    place = await makeLocalPlace();
    [port = 0] = await freePorts(1);
    running = await open();
    visitor = await browser.visit({ width: 900, height: 600 });
    await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    complaints = [];
  });
  afterEach(async () => {
    await visitor[Symbol.asyncDispose]();
    await stop();
    await place[Symbol.asyncDispose]();
  });
  return {
    get place() {
      return place;
    },
    get context() {
      return visitor.context;
    },
    get complaints() {
      return complaints;
    },
    get hub() {
      return running.hub;
    },
    get server() {
      return running.server;
    },
    get url() {
      return running.server.url;
    },
    async openPage(query = "", as = visitor.context) {
      const page = await as.newPage();
      page.on("console", (message) => {
        if (/Content Security Policy|Uncaught/i.test(message.text())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(`${running.server.url}/?reader${query}`);
      await inState(page, "open");
      await page.getByRole("textbox", { name: "Shell on the VM" }).focus();
      return page;
    },
    stop,
    async start() {
      running = await open();
    },
  };
}

/** Waits until the terminal of the page says that it is so. */
export async function inState(page: Page, state: string): Promise<void> {
  await page.locator(`.terminal[data-state="${state}"]`).waitFor({ timeout: WAIT_MS });
}

/** The rows of the screen, as read out. */
export async function rows(page: Page): Promise<string[]> {
  return (await page.getByRole("listitem").allTextContents()).map((row) =>
    row.replaceAll("\u00a0", " ").trimEnd(),
  );
}

/** Waits until the screen has it. */
export async function shows(page: Page, text: string): Promise<void> {
  let seen: string[] = [];
  const isThere = async () => {
    seen = await rows(page);
    return seen.join("\n").includes(text);
  };
  await poll(isThere, text, { timeoutMs: WAIT_MS }).catch((error: Error) => {
    throw new Error(`${error.message}; there is ${JSON.stringify(seen.filter(Boolean))}`);
  });
}

/** Types a command with real keys and waits for what it prints. */
export async function run(page: Page, command: string, until: string): Promise<void> {
  await page.keyboard.type(`${command}\n`);
  await shows(page, until);
}
