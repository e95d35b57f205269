import type { TroubleView } from "../../server/protocol/views.ts";
import { asSentence } from "../failure.ts";
import type { Messages } from "../messages/en.ts";

/** What is wrong with a part of the sandbox, and what can be done. */
export interface TroubleWords {
  reason: string;
  remedy: string;
  /** Language of the words, where it is not the page's. */
  lang: "en" | undefined;
}

type Words = { reason: string | ((...values: string[]) => string); remedy: string };

/** In the reader's language; in the server's English where this page does not know the code. */
export function describeTrouble(
  { code, values, reason, remedy }: TroubleView,
  messages: Messages,
): TroubleWords {
  const known: Partial<Record<string, Words>> = messages.trouble;
  const words = known[code];
  if (!words) return { reason: asSentence(reason), remedy: asSentence(remedy), lang: "en" };
  const said = typeof words.reason === "string" ? words.reason : words.reason(...values);
  return { reason: asSentence(said), remedy: words.remedy, lang: undefined };
}
