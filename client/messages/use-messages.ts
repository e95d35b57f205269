import type { Language } from "../../server/protocol/views.ts";
import { usePreferences } from "../preferences.ts";
import { en, type Messages } from "./en.ts";
import { type Format, formatOf } from "./format.ts";
import { zh } from "./zh.ts";

const catalogue: Record<Language, Messages> = { en, zh };

/** The texts of a language. */
export function messagesIn(language: Language): Messages {
  return catalogue[language];
}

/** The texts and formats of the reader's language. */
export function useMessages(): { messages: Messages; format: Format; language: Language } {
  const { language } = usePreferences();
  return { messages: catalogue[language], format: formatOf(language), language };
}
