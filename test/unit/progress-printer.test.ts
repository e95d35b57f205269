import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgressPrinter } from "../../server/cli/progress-printer.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0, toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

/** What the printer writes, as it writes it. */
function printed(out: { isTTY: boolean; columns?: number }) {
  let text = "";
  const write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  return { report: createProgressPrinter({ columns: 80, ...out, write }), text: () => text };
}

const later = (seconds: number) => void vi.setSystemTime(Date.now() + seconds * 1000);

/** What a terminal shows in the end: only what came after a line was last cleared. */
const shown = (text: string) => text.split("\n").map((line) => line.split("\r\u001b[2K").at(-1));

describe("on a terminal", () => {
  test("the running step's line is rewritten in place, and stays once the step is over", () => {
    const { report, text } = printed({ isTTY: true });
    report({ step: "build images", state: "started" });
    expect(shown(text())).toEqual(["… build images"]);
    later(3);
    report({ step: "build images", state: "progress", fraction: 0.429, message: "step 3 of 7" });
    expect(shown(text())).toEqual(["… build images 42 % (3 s): step 3 of 7"]);
    later(4);
    report({ step: "build images", state: "done" });
    report({ step: "start Docker", state: "started" });
    expect(shown(text())).toEqual(["✓ build images (7 s)", "… start Docker"]);
    report({ step: "start Docker", state: "failed", message: "no\nroom\n" });
    expect(shown(text())).toEqual(["✓ build images (7 s)", "✗ start Docker: room", ""]);
  });

  test("a line is cut to the terminal, for one that wraps could not be rewritten", () => {
    const { report, text } = printed({ isTTY: true, columns: 20 });
    report({ step: "pull", state: "progress", message: "0123456789abcdef" });
    expect(shown(text())).toEqual(["… pull: 0123456789a"]);
  });
});

describe("in a log", () => {
  test("a step tells its start and its end, whole and without control characters", () => {
    const { report, text } = printed({ isTTY: false, columns: 20 });
    report({ step: "build images", state: "started", message: "none can be pulled" });
    later(61);
    report({ step: "build images", state: "done", message: "three" });
    expect(text()).toBe("… build images: none can be pulled\n✓ build images (61 s): three\n");
  });

  test("what goes on is told every ten seconds", () => {
    const { report, text } = printed({ isTTY: false });
    report({ step: "pull", state: "started" });
    for (let second = 1; second <= 25; second += 1) {
      later(1);
      report({ step: "pull", state: "progress", message: `${second} MiB` });
    }
    report({ step: "pull", state: "failed", message: "the registry is gone" });
    expect(text().split("\n")).toEqual([
      "… pull",
      "… pull (10 s): 10 MiB",
      "… pull (20 s): 20 MiB",
      "✗ pull (25 s): the registry is gone",
      "",
    ]);
  });
});
