import type { Language, TextBlock } from "../protocol/views.ts";
import type { TasksFile } from "./lab-schema.ts";
import type { LabText } from "./lab-text.ts";
import type { LabProblem } from "./problem.ts";

type LineOf = (path: readonly PropertyKey[]) => number;

/** What the schema of `tasks.yaml` can't say: ids are unique and what a task waits for comes before it. */
export function lintTasks(file: string, { tasks }: TasksFile, lineOf: LineOf): LabProblem[] {
  const problems: LabProblem[] = [];
  const before = new Set<string>();
  const all = new Set(tasks.map((task) => task.id));
  for (const [index, task] of tasks.entries()) {
    const path = ["tasks", index];
    if (before.has(task.id))
      problems.push({
        file,
        line: lineOf([...path, "id"]),
        message: `there are two tasks \`${task.id}\``,
        remedy: "give one of them another id",
      });
    for (const [at, id] of task.after.entries()) {
      if (before.has(id)) continue;
      const line = lineOf([...path, "after", at]);
      const isLater = all.has(id);
      problems.push({
        file,
        line,
        message: isLater
          ? `\`${task.id}\` waits for \`${id}\`, which comes later`
          : `there is no task \`${id}\``,
        remedy: isLater ? "move the task up, or wait for an earlier one" : "name a task that stands above",
      });
    }
    before.add(task.id);
  }
  return problems;
}

/** Both languages place the same tasks and show the same commands, each task once. */
export function lintTexts(
  fileOf: (language: Language) => string,
  texts: Record<Language, LabText>,
  taskIds: readonly string[],
): LabProblem[] {
  const problems = (["en", "zh"] as const).flatMap((language) =>
    lintPlaces(fileOf(language), texts[language], taskIds),
  );
  const [en, zh] = [skeleton(texts.en), skeleton(texts.zh)];
  for (let at = 0; at < Math.max(en.length, zh.length); at += 1) {
    const [left, right] = [en[at], zh[at]];
    if (left?.key === right?.key) continue;
    problems.push({
      file: fileOf("zh"),
      line: right?.line ?? texts.zh.lines.at(-1) ?? 1,
      message: `the two languages part here: ${right?.shown ?? "the text ends"}, but \`${fileOf("en")}:${left?.line ?? 1}\` has ${left?.shown ?? "no more"}`,
      remedy: "give both languages the same commands and tasks, in the same order",
    });
    break;
  }
  return problems;
}

function lintPlaces(file: string, text: LabText, taskIds: readonly string[]): LabProblem[] {
  const problems: LabProblem[] = [];
  const placed = new Set<string>();
  for (const [at, block] of text.blocks.entries()) {
    if (block.kind !== "task") continue;
    const line = text.lines[at] ?? 1;
    if (!taskIds.includes(block.taskId))
      problems.push({
        file,
        line,
        message: `there is no task \`${block.taskId}\``,
        remedy: "use an id of tasks.yaml",
      });
    if (placed.has(block.taskId))
      problems.push({
        file,
        line,
        message: `task \`${block.taskId}\` is placed twice`,
        remedy: "remove one of them",
      });
    placed.add(block.taskId);
  }
  for (const id of taskIds)
    if (!placed.has(id))
      problems.push({
        file,
        line: text.lines.at(-1) ?? 1,
        message: `task \`${id}\` has no place in this text`,
        remedy: `write \`::task{id=${id}}\` on a line of its own`,
      });
  return problems;
}

/** What must be alike in every language. */
function skeleton(text: LabText): { key: string; shown: string; line: number }[] {
  return text.blocks.flatMap((block, at) => {
    const shown = shownPart(block);
    return shown ? [{ key: JSON.stringify(block), shown, line: text.lines[at] ?? 1 }] : [];
  });
}

function shownPart(block: TextBlock): string | undefined {
  if (block.kind === "task") return `the task \`${block.taskId}\``;
  if (block.kind === "code") return `the block \`${block.code.trim().split("\n", 1)[0]}\``;
  return undefined;
}
