import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Page } from "playwright-core";

const directory = join(import.meta.dirname, "../../../docs/images");
const isWanted = process.env.FOOTBRIDGE_TEST_SCREENSHOTS === "1";
/** Terminals are fitted and drawn anew a moment after the page has its size. */
const FITTED_MS = 2_000;

interface PictureLooks {
  isDark?: boolean;
  width?: number;
  height?: number;
}

/**
 * Takes one of the documentation's pictures where FOOTBRIDGE_TEST_SCREENSHOTS=1 asks for it: of a real lab, so that
 * they show what learners see. Look at them before committing. The page is afterwards as it was.
 */
export async function picture(page: Page, name: string, looks: PictureLooks = {}): Promise<void> {
  if (!isWanted) return;
  const { isDark = false, width = 1280, height = 800 } = looks;
  const before = page.viewportSize();
  await mkdir(directory, { recursive: true });
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ reducedMotion: "reduce", colorScheme: isDark ? "dark" : "light" });
  // The pointer would leave its mark on what it rests upon.
  await page.mouse.move(0, 0);
  await delay(FITTED_MS);
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await page.emulateMedia({ reducedMotion: null, colorScheme: null });
  if (before) await page.setViewportSize(before);
}
