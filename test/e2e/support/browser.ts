import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type axe from "axe-core";
import type { BrowserContext, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { launchChromium } from "../../support/chromium.ts";

/** Longest that anything on a page may take to show, on a host that is busy with other things. */
export const SHOWN_MS = 30_000;

export interface PageLooks {
  width?: number;
  height?: number;
  isDark?: boolean;
  locale?: "en-GB" | "zh-CN";
  hasTouch?: boolean;
}

/** A visitor with cookies and storage of their own. */
export interface Visitor extends AsyncDisposable {
  page: Page;
  context: BrowserContext;
  /** What the page complained about: errors, warnings, refused resources. */
  complaints: string[];
}

export interface TestBrowser extends AsyncDisposable {
  visit(looks?: PageLooks): Promise<Visitor>;
}

export async function openBrowser(options: { hasWebgl?: boolean } = {}): Promise<TestBrowser> {
  const browser = await launchChromium(options);
  return {
    async visit({ width = 1280, height = 800, isDark = false, locale = "en-GB", hasTouch = false } = {}) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: isDark ? "dark" : "light",
        locale,
        hasTouch,
      });
      context.setDefaultTimeout(SHOWN_MS);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        // The software renderer of a headless browser remarks on its own speed.
        if (["error", "warning"].includes(message.type()) && !message.text().includes("GPU stall"))
          complaints.push(message.text());
      });
      return { page, context, complaints, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Expects of a value that it comes to be so. */
export function soon<T>(read: () => T | Promise<T>) {
  return expect.poll(read, { timeout: SHOWN_MS, interval: 100 });
}

/** Waits until it can be seen. */
export async function seen(locator: Locator): Promise<void> {
  await locator.first().waitFor({ state: "visible" });
}

/** Waits until a terminal can be typed into; xterm.js keeps its input out of sight. */
export async function shellOpen(page: Page, name: string): Promise<Locator> {
  const input = page.getByRole("textbox", { name, exact: true });
  await input.waitFor({ state: "attached" });
  return input;
}

/** Waits until it can no longer be seen. */
export async function gone(locator: Locator): Promise<void> {
  await locator.first().waitFor({ state: "hidden" });
}

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Expects that axe finds nothing, WCAG 2.2 AA included, in light and in dark colours. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // Evaluated rather than loaded: the page's own policy lets no foreign script in.
  await page.evaluate(axeSource);
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    // The page hears of it a moment later.
    await page.waitForFunction(
      (scheme) =>
        matchMedia(`(prefers-color-scheme: ${scheme}) and (prefers-reduced-motion: reduce)`).matches,
      colorScheme,
    );
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const { violations } = await page.evaluate(async () => {
      const tool = (globalThis as unknown as { axe: typeof axe }).axe;
      return await tool.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        resultTypes: ["violations"],
      });
    });
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`,
    );
    expect(found, `${what}, ${colorScheme}`).toEqual([]);
  }
}
