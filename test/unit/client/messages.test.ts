import { expect, test } from "vitest";
import { describeTrouble } from "../../../client/lab-page/trouble.ts";
import { en } from "../../../client/messages/en.ts";
import { formatOf } from "../../../client/messages/format.ts";
import { zh } from "../../../client/messages/zh.ts";
import { kindPhases } from "../../../sandboxes/cluster/kind-command.ts";
import { errorCodes } from "../../../sandboxes/errors.ts";
import { sandboxSteps } from "../../../sandboxes/progress.ts";
import { troubleCodes } from "../../../sandboxes/trouble.ts";
import { PREPARE_STEPS } from "../../../server/attempts/sandbox-view.ts";

type Entry = [path: string, text: string];

/** Every text of a catalogue, functions called with arguments that can be told apart. */
function texts(catalogue: object, path = ""): Entry[] {
  return Object.entries(catalogue).flatMap(([key, value]): Entry[] => {
    const here = path ? `${path}.${key}` : key;
    if (typeof value === "string") return [[here, value]];
    if (typeof value === "function") return [[here, String(value(7, 8, 9))]];
    return texts(value as object, here);
  });
}

test("both languages say all of the same things", () => {
  const english = texts(en);
  const chinese = new Map(texts(zh));
  expect(english.map(([path]) => path)).toEqual([...chinese.keys()]);
  for (const [path, text] of english) {
    expect(text.trim(), path).not.toBe("");
    // What is filled in on one side is filled in on the other.
    const numbers = (of: string) =>
      (of.match(/\d+/g) ?? []).filter((number) => "789".includes(number)).sort();
    if (path !== "terminal.screen.ended")
      expect(numbers(chinese.get(path) ?? ""), path).toEqual(numbers(text));
  }
});

test("Chinese is Chinese, but for names", () => {
  const names = new Set(["product", "cluster.nodes", "room.cpus"]);
  const latin = texts(zh).filter(([path, text]) => !/\p{Script=Han}/u.test(text) && !names.has(path));
  expect(latin.map(([path]) => path)).toEqual([
    "pageTitle",
    "attempt.of",
    "machine.accelerators.kvm",
    "terminal.roles.vm",
    "terminal.roles.cluster",
    "terminal.roles.console",
    "terminal.tab",
  ]);
});

test("plurals", () => {
  expect(en.labs.taskCount(1)).toBe("1 task");
  expect(en.labs.taskCount(8)).toBe("8 tasks");
  expect(zh.labs.taskCount(1)).toBe("1 个任务");
});

test("durations have the two units that matter", () => {
  const { duration, took, mib, ago } = formatOf("en");
  expect(duration(13_260_000)).toBe("3 hr 41 min");
  expect(duration(3_600_000)).toBe("1 hr");
  expect(duration(65_000)).toBe("1 min 5 sec");
  expect(duration(-5)).toBe("0 sec");
  expect(took(312)).toBe("312 ms");
  expect(took(2_430)).toBe("2.4 sec");
  expect(mib(1536)).toBe("1.5 GiB");
  expect(mib(512)).toBe("512 MiB");
  expect(ago(59_000)).toBeUndefined();
  expect(ago(3 * 60_000)).toBe("3 min ago");
  expect(formatOf("zh").duration(13_260_000)).toBe("3小时41分钟");
});

test.each([en, zh])(
  "$languageName has words for every step, trouble and error that the server can tell",
  (messages) => {
    const { step, trouble, failure } = messages;
    expect(Object.keys(step.names).toSorted()).toEqual(
      [...sandboxSteps, ...Object.values(PREPARE_STEPS)].toSorted(),
    );
    expect(Object.keys(step.phases)).toEqual(Object.keys(kindPhases).map((name) => name.toLowerCase()));
    expect(Object.keys(trouble).toSorted()).toEqual(troubleCodes.toSorted());
    expect(Object.keys(failure.codes).toSorted()).toEqual(errorCodes.toSorted());
    expect(Object.keys(failure.hints).toSorted()).toEqual(errorCodes.toSorted());
  },
);

test("a trouble is told in the reader's language, one this page does not know in the server's", () => {
  const stopped = { code: "nodes_stopped", values: ["`a`"], reason: "node `a` stopped", remedy: "start it" };
  expect(describeTrouble(stopped, zh)).toEqual({
    reason: "已停止的节点：`a`。",
    remedy: zh.trouble.nodes_stopped.remedy,
    lang: undefined,
  });
  expect(describeTrouble({ ...stopped, code: "brand_new" }, zh)).toEqual({
    reason: "Node `a` stopped.",
    remedy: "Start it.",
    lang: "en",
  });
});
