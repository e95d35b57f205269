import { useSyncExternalStore } from "react";
import { z } from "zod";
import { Language } from "../server/protocol/views.ts";

/** What somebody chose for this browser. */
const Preferences = z.object({
  language: Language,
  theme: z.enum(["system", "light", "dark"]),
  /** Terminals put their text where screen readers find it, at the cost of some speed. */
  screenReader: z.boolean(),
});
export type Preferences = z.infer<typeof Preferences>;

const KEY = "footbridge.preferences";

/** The `lang` attribute of each language; the script matters to fonts and voices. */
const languageTag: Record<Language, string> = { en: "en", zh: "zh-Hans" };

function read(): Preferences {
  const isChinese = navigator.languages.find((tag) => /^(en|zh)\b/.test(tag))?.startsWith("zh") ?? false;
  const usual: Preferences = { language: isChinese ? "zh" : "en", theme: "system", screenReader: false };
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Preferences.parse({ ...usual, ...(stored as object) });
  } catch {
    // Storage is closed to this page, or holds what another version left: the usual will do.
    return usual;
  }
}

function apply({ language, theme }: Preferences): void {
  const root = document.documentElement;
  root.lang = languageTag[language];
  root.dataset.theme = theme;
}

let current = read();
const listeners = new Set<() => void>();

/** Puts language and theme on the document; call once, before the first paint. */
export function applyPreferences(): void {
  apply(current);
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  apply(current);
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Kept for this visit only.
  }
  for (const tell of listeners) tell();
}

/** The language texts are asked for in, outside of components. */
export function currentLanguage(): Language {
  return current.language;
}

/** Calls back on every change until the function it returns is called. */
export function subscribePreferences(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribePreferences, () => current);
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark now, by choice or by the system's. */
export function useIsDark(): boolean {
  const { theme } = usePreferences();
  const systemIsDark = useSyncExternalStore(
    (listener) => {
      dark.addEventListener("change", listener);
      return () => dark.removeEventListener("change", listener);
    },
    () => dark.matches,
  );
  return theme === "system" ? systemIsDark : theme === "dark";
}
