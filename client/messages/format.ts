import type { Language } from "../../server/protocol/views.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Numbers, times and durations as a language writes them. */
export interface Format {
  /** Two largest units, rounded down: `3 hr 41 min`, `9 min 5 sec`, `12 sec`. */
  duration(ms: number): string;
  /** For measured times: `312 ms`, `2.4 sec`, `12 sec`. */
  took(ms: number): string;
  /** Time of day, with the date where it is another day. */
  clock(at: Date | string): string;
  dateTime(at: Date | string): string;
  /** `4 minutes ago`; `undefined` for less than a minute. */
  ago(ms: number): string | undefined;
  /** MiB as whichever of MiB and GiB reads better. */
  mib(mib: number): string;
  gib(gib: number): string;
  bytes(bytes: number): string;
  number(value: number): string;
}

const tags: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };
/** American English writes units in the short form without a plural: `3 hr`, `41 min`. */
const unitTags: Record<Language, string> = { en: "en-US", zh: "zh-CN" };
/** What stands between two units. */
const unitGaps: Record<Language, string> = { en: " ", zh: "" };
const made = new Map<Language, Format>();

/** The formats of one language, made once. */
export function formatOf(language: Language): Format {
  const known = made.get(language) ?? makeFormat(language);
  made.set(language, known);
  return known;
}

function makeFormat(language: Language): Format {
  const tag = tags[language];
  const unit = (name: string, maximumFractionDigits = 0) => {
    const format = new Intl.NumberFormat(unitTags[language], {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits,
    });
    return (value: number) => format.format(value);
  };
  const days = unit("day");
  const hours = unit("hour");
  const minutes = unit("minute");
  const seconds = unit("second");
  const preciseSeconds = unit("second", 1);
  const milliseconds = unit("millisecond");
  const time = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const dateTime = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: "always", style: "short" });
  const whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 1 });
  const join = (...parts: string[]) => parts.join(unitGaps[language]);

  return {
    duration(ms) {
      const left = Math.max(0, ms);
      const two = (large: string, small: number, name: (value: number) => string) =>
        small > 0 ? join(large, name(small)) : large;
      if (left >= DAY_MS)
        return two(days(Math.floor(left / DAY_MS)), Math.floor((left % DAY_MS) / HOUR_MS), hours);
      if (left >= HOUR_MS)
        return two(hours(Math.floor(left / HOUR_MS)), Math.floor((left % HOUR_MS) / MINUTE_MS), minutes);
      if (left >= MINUTE_MS)
        return two(
          minutes(Math.floor(left / MINUTE_MS)),
          Math.floor((left % MINUTE_MS) / SECOND_MS),
          seconds,
        );
      return seconds(Math.floor(left / SECOND_MS));
    },
    took(ms) {
      if (ms < SECOND_MS) return milliseconds(ms);
      return ms < 10 * SECOND_MS ? preciseSeconds(ms / SECOND_MS) : seconds(ms / SECOND_MS);
    },
    clock(at) {
      const date = new Date(at);
      return Math.abs(Date.now() - date.getTime()) < DAY_MS ? time.format(date) : dateTime.format(date);
    },
    dateTime: (at) => dateTime.format(new Date(at)),
    ago(ms) {
      if (ms < MINUTE_MS) return undefined;
      if (ms < HOUR_MS) return relative.format(-Math.floor(ms / MINUTE_MS), "minute");
      if (ms < DAY_MS) return relative.format(-Math.floor(ms / HOUR_MS), "hour");
      return relative.format(-Math.floor(ms / DAY_MS), "day");
    },
    mib: (mib) => (mib >= 1024 ? `${whole.format(mib / 1024)} GiB` : `${whole.format(mib)} MiB`),
    gib: (gib) => `${whole.format(gib)} GiB`,
    bytes(bytes) {
      if (bytes < 1024) return `${bytes} B`;
      if (bytes < 1024 * 1024) return `${whole.format(bytes / 1024)} KiB`;
      return `${whole.format(bytes / 1024 / 1024)} MiB`;
    },
    number: (value) => whole.format(value),
  };
}
