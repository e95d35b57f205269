import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Language } from "../protocol/views.ts";
import type { Lab, Setup, Task } from "./lab.ts";
import { LabFile, TasksFile } from "./lab-schema.ts";
import { type LabText, parseLabText, renderMarkdown } from "./lab-text.ts";
import { lintTasks, lintTexts } from "./lint.ts";
import { type LabProblem, labInvalid } from "./problem.ts";
import { readYaml } from "./yaml-file.ts";

/** Beside the labs live the applications they use. */
const NOT_LABS = new Set(["apps"]);

/**
 * All labs in `dir`, one folder each, in the order of their names.
 * @throws LabError `lab_invalid` with every problem of every lab, by file and line.
 */
export async function loadLabs(dir: string): Promise<Lab[]> {
  const { labs, problems } = await readLabs(dir);
  if (problems.length > 0) throw labInvalid(problems);
  return labs;
}

/** Everything that is wrong in the labs of `dir`; empty where nothing is. */
export async function lintLabs(dir: string): Promise<LabProblem[]> {
  return (await readLabs(dir)).problems;
}

async function readLabs(dir: string): Promise<{ labs: Lab[]; problems: LabProblem[] }> {
  const entries = await readdir(dir, { withFileTypes: true });
  const ids = entries
    .filter((entry) => entry.isDirectory() && !NOT_LABS.has(entry.name))
    .map(({ name }) => name);
  const read = await Promise.all(ids.sort().map((id) => readLab(dir, id)));
  return {
    labs: read.flatMap(({ lab }) => lab ?? []),
    problems: read.flatMap(({ problems }) => problems),
  };
}

async function readLab(dir: string, id: string): Promise<{ lab: Lab | undefined; problems: LabProblem[] }> {
  const problems: LabProblem[] = [];
  const shown = (name: string) => join(basename(dir), id, name);
  const read = async (name: string, why: string): Promise<string | undefined> => {
    const text = await readFile(join(dir, id, name), "utf8").catch(() => undefined);
    if (text === undefined)
      problems.push({
        file: shown(name),
        line: 1,
        message: "this file is missing or can't be read",
        remedy: why,
      });
    return text;
  };

  const labText = await read("lab.yaml", "every lab has one; a folder that is no lab belongs into `apps/`");
  const tasksText = await read("tasks.yaml", "every lab has one");
  const texts = {
    en: await read("text.en.md", "every lab has its text in English"),
    zh: await read("text.zh.md", "every lab has its text in Simplified Chinese"),
  };

  const labFile = readYaml(shown("lab.yaml"), labText ?? "", LabFile);
  const tasksFile = readYaml(shown("tasks.yaml"), tasksText ?? "", TasksFile);
  if (labText !== undefined) problems.push(...labFile.problems);
  if (tasksText !== undefined) problems.push(...tasksFile.problems);

  const parsed = {} as Record<Language, LabText>;
  for (const language of ["en", "zh"] as const) {
    parsed[language] = parseLabText(shown(`text.${language}.md`), texts[language] ?? "");
    problems.push(...parsed[language].problems);
  }
  const setup = await readSetup(labFile.value, (name) => read(name, "`setup` in lab.yaml names it"));
  if (tasksFile.value) {
    problems.push(...lintTasks(shown("tasks.yaml"), tasksFile.value, tasksFile.lineOf));
    const taskIds = tasksFile.value.tasks.map((task) => task.id);
    if (texts.en !== undefined && texts.zh !== undefined)
      problems.push(...lintTexts((language) => shown(`text.${language}.md`), parsed, taskIds));
  }
  if (problems.length > 0 || !labFile.value || !tasksFile.value) return { lab: undefined, problems };
  const { format: _, needs, ...rest } = labFile.value;
  const { placement, ...otherNeeds } = needs;
  const lab: Lab = {
    ...rest,
    id,
    needs: { ...otherNeeds, ...(placement ? { placement } : {}) },
    setup,
    tasks: tasksFile.value.tasks.map(toTask),
    text: { en: parsed.en.blocks, zh: parsed.zh.blocks },
  };
  return { lab, problems };
}

async function readSetup(
  lab: LabFile | undefined,
  read: (name: string) => Promise<string | undefined>,
): Promise<Setup[]> {
  return await Promise.all(
    (lab?.setup ?? []).map(async (one): Promise<Setup> => {
      if (one.on === "vm") return { on: "vm", name: one.script, script: (await read(one.script)) ?? "" };
      return { on: "cluster", name: one.manifests, manifests: (await read(one.manifests)) ?? "" };
    }),
  );
}

function toTask(task: TasksFile["tasks"][number]): Task {
  const hints = task.hints.map((hint) => ({ en: renderMarkdown(hint.en), zh: renderMarkdown(hint.zh) }));
  return { ...task, hints };
}
