import type { Localized } from "../labs/lab.ts";
import type { LocalizedCondition } from "./verdict.ts";

/** One sentence in every language. Kept together so that none is forgotten. */
export function say(en: string, zh: string): Localized {
  return { en, zh };
}

/** The same words in every language: names, numbers, what a program printed. */
export function verbatim(text: string): Localized {
  return { en: text, zh: text };
}

/** Joins sentences to one text, with the blank that each language wants between them. */
export function sentences(...parts: (Localized | undefined)[]): Localized {
  const there = parts.filter((part) => part !== undefined);
  return {
    en: there.map((part) => part.en).join(" "),
    zh: there.map((part) => part.zh).join(""),
  };
}

/** `a`, `b` and `c`. */
export function listed(names: readonly string[]): Localized {
  const quoted = names.map((name) => `\`${name}\``);
  const last = quoted.at(-1) ?? "";
  const head = quoted.slice(0, -1);
  return {
    en: head.length > 0 ? `${head.join(", ")} and ${last}` : last,
    zh: quoted.join("、"),
  };
}

/** `1 Pod`, `2 Pods`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Sizes as `df -h` and `lvs` print them: binary units, one decimal below ten. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** The first line of what a program printed, short enough for a message. */
export function firstLine(text: string, characters = 160): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length > characters ? `${line.slice(0, characters - 1)}…` : line;
}

/** Longest text of a verdict: each is kept as evidence and sent to everybody who watches. */
const TEXT_CHARACTERS = 600;

/** At most 600 characters in each language; what was longer ends in `…`. */
export function shortText({ en, zh }: Localized): Localized {
  const short = (text: string) =>
    text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS - 1).toWellFormed()}…` : text;
  return { en: short(en), zh: short(zh) };
}

/** One thing a check looked at. `mayChangeSoon`: no event will tell when it does, so it is worth another look. */
export type Outcome = LocalizedCondition & { mayChangeSoon?: boolean };

export function passed(label: Localized): Outcome {
  return { state: "passed", label };
}

export function failed(
  label: Localized,
  what: { expected: Localized; found: Localized; hint?: Localized; mayChangeSoon?: boolean },
): Outcome {
  return { state: "failed", label, ...what };
}

/** Could not look. Always worth another look. */
export function errored(label: Localized, reason: Localized): Outcome {
  return { state: "errored", label, reason, mayChangeSoon: true };
}
