import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import { parseLabText } from "../../server/labs/lab-text.ts";
import { lintLabs, loadLabs } from "../../server/labs/load-labs.ts";
import { problemLine } from "../../server/labs/problem.ts";

const OURS = "labs";
let dir = "";

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), "footbridge-labs-"));
  dir = join(root, "labs");
  await cp(join(OURS, "first-crossing"), join(dir, "first-crossing"), { recursive: true });
});
afterEach(() => rm(join(dir, ".."), { recursive: true }));

/** Replaces text in one file of the copied lab and tells what the lint then says. */
async function lintAfter(file: string, from: string | RegExp, to: string): Promise<string[]> {
  const path = join(dir, "first-crossing", file);
  const before = await readFile(path, "utf8");
  const after = before.replace(from, to);
  expect(after).not.toBe(before);
  await writeFile(path, after);
  return (await lintLabs(dir)).map(problemLine);
}

test("our own labs are whole", async () => {
  expect(await lintLabs(OURS)).toEqual([]);
  const labs = await loadLabs(OURS);
  const lab = labs.find((one) => one.id === "first-crossing");
  expect(lab?.tasks).toHaveLength(8);
  expect(lab?.needs).toEqual({ nodes: 1, networkPolicy: false });
  expect(lab?.setup.map((one) => one.on)).toEqual(["vm", "cluster"]);
  for (const task of lab?.tasks ?? []) {
    const last = task.hints.at(-1);
    const firstWords = task.solution[0]?.commands.trim().split("\n")[0]?.slice(0, 30);
    expect(last?.en, task.id).toContain("<code");
    expect(last?.zh, task.id).toContain("<code");
    expect(plain(last?.en ?? ""), task.id).toContain(firstWords);
  }
});

function plain(html: string): string {
  return html
    .replaceAll("&quot;", '"')
    .replaceAll("&gt;", ">")
    .replaceAll("&lt;", "<")
    .replaceAll("&amp;", "&");
}

test("every problem is told at once, by file and line, with a remedy", async () => {
  await lintAfter("lab.yaml", "minutes: 60", "minutes: soon\nmaxutes: 1");
  const problems = await lintAfter("tasks.yaml", "unit: inventory-api.service", "unit: inventory-api");
  expect(problems).toEqual([
    "labs/first-crossing/lab.yaml:8: `minutes`: invalid input: expected number, received string (give it a number)",
    "labs/first-crossing/lab.yaml:9: `maxutes` is not known here (remove it, or correct its spelling)",
    "labs/first-crossing/tasks.yaml:6: `tasks[0].checks[0].unit`: must be a unit with its suffix (correct the value)",
  ]);
  const error = await loadLabs(dir).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(LabError);
  expect((error as LabError).code).toBe("lab_invalid");
  expect((error as LabError).message.split("\n")).toEqual(problems);
});

test("YAML that is none, and files that are missing", async () => {
  await rm(join(dir, "first-crossing", "text.zh.md"));
  await rm(join(dir, "first-crossing", "files", "namespace.yaml"));
  const problems = await lintAfter("tasks.yaml", "tasks:", "tasks: [");
  expect(problems.join("\n")).toMatch(/tasks\.yaml:\d+: not valid YAML/);
  expect(problems.join("\n")).toContain("text.zh.md:1: this file is missing");
  expect(problems.join("\n")).toContain("files/namespace.yaml:1: this file is missing");
});

test("a setup file outside of the lab's folder is refused", async () => {
  const problems = await lintAfter("lab.yaml", "files/namespace.yaml", "files/../../secret.yaml");
  expect(problems.join("\n")).toContain("must be a path inside the lab's folder");
});

test("a task that waits for one that is not there, or comes later", async () => {
  const unknown = await lintAfter("tasks.yaml", "after: [start-the-service]", "after: [start-it]");
  expect(unknown).toEqual([expect.stringMatching(/tasks\.yaml:\d+: there is no task `start-it`/)]);
  const later = await lintAfter("tasks.yaml", "after: [start-it]", "after: [grow-the-disk]");
  expect(later).toEqual([expect.stringContaining("waits for `grow-the-disk`, which comes later")]);
});

test("a language that has another command, or leaves a task out", async () => {
  const other = await lintAfter(
    "text.zh.md",
    "sudo cat /etc/inventory/api.env",
    "cat /etc/inventory/api.env",
  );
  expect(other).toEqual([expect.stringMatching(/text\.zh\.md:\d+: the two languages part here.*cat \/etc/)]);
  const missing = await lintAfter("text.zh.md", "::task{id=survive-a-loss}", "");
  expect(missing).toContainEqual(expect.stringContaining("task `survive-a-loss` has no place in this text"));
});

test("a text is cut into HTML, blocks to run or copy, and places of tasks", () => {
  const text = [
    "# Title",
    "",
    "Some <script>alert(1)</script> text",
    "",
    "```sh {run=vm}",
    "ls -l",
    "```",
    "",
    "::task{id=a-task}",
    "",
    "```yaml",
    "a: 1",
    "```",
  ].join("\n");
  const { blocks, problems } = parseLabText("text.en.md", text);
  expect(problems).toEqual([]);
  expect(blocks).toEqual([
    { kind: "html", html: "<h1>Title</h1>\n<p>Some &lt;script&gt;alert(1)&lt;/script&gt; text</p>" },
    { kind: "code", code: "ls -l\n", language: "sh", run: "vm" },
    { kind: "task", taskId: "a-task" },
    { kind: "code", code: "a: 1\n", language: "yaml" },
  ]);
});

test("what the page could not show is a problem with its line", () => {
  const text =
    "```sh {run=laptop}\nls\n```\n\n- item\n\n  ```sh {run=vm}\n  ls\n  ```\n\nsee ::task{id=x} there\n";
  const { problems } = parseLabText("t.md", text);
  expect(problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
    "1 `sh {run=laptop}` is not understood after the fence",
    "7 a block to run stands inside a list or quotation",
    "11 `::task` is not alone in its paragraph",
  ]);
});
