import type { Locator, Page } from "playwright-core";
import { soon } from "./browser.ts";

/** A person who has no pointer. */
export class Keyboard {
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
