import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import type { LabProblem } from "./problem.ts";

/** A YAML file held against a schema: its value, or everything that is wrong with it, by line. */
export type YamlFile<T> = {
  value: T | undefined;
  problems: LabProblem[];
  /** Line of what is at this path, or of what would hold it. */
  lineOf(path: readonly PropertyKey[]): number;
};

/** Reads `text` as YAML 1.2 and checks it with `schema`. `file` is for the messages. */
export function readYaml<S extends z.ZodType>(file: string, text: string, schema: S): YamlFile<z.infer<S>> {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const lineOf = (path: readonly PropertyKey[]) => lineAt(document, lineCounter, path);
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      file,
      line: error.linePos?.[0].line ?? 1,
      message: `not valid YAML: ${error.message.split("\n", 1)[0]}`,
      remedy: "check indentation, quotes and duplicate keys there",
    }));
    return { value: undefined, problems, lineOf };
  }
  const result = schema.safeParse(document.toJS());
  if (result.success) return { value: result.data, problems: [], lineOf };
  const problems = result.error.issues.flatMap((issue) => problemsOf(file, issue, lineOf));
  return { value: undefined, problems, lineOf };
}

function problemsOf(
  file: string,
  issue: z.core.$ZodIssue,
  lineOf: (path: readonly PropertyKey[]) => number,
): LabProblem[] {
  const name = nameOf(issue.path);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      file,
      line: lineOf([...issue.path, key]),
      message: `\`${nameOf([...issue.path, key])}\` is not known here`,
      remedy: "remove it, or correct its spelling",
    }));
  return [
    {
      file,
      line: lineOf(issue.path),
      message: `\`${name}\`: ${lowerFirst(issue.message)}`,
      remedy: remedyFor(issue),
    },
  ];
}

function remedyFor(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `give it ${aOrAn(issue.expected)}`;
  if (issue.code === "invalid_value")
    return `use ${issue.values.map((value) => `\`${String(value)}\``).join(" or ")}`;
  if (issue.code === "invalid_union" && "discriminator" in issue)
    return "use one of the kinds that the documentation lists";
  if (issue.code === "too_small") return `at least ${issue.minimum} is needed`;
  if (issue.code === "too_big") return `at most ${issue.maximum} is allowed`;
  return "correct the value";
}

/** The deepest part of `path` that is in the document; its key's line where it has one. */
function lineAt(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function nameOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}

function aOrAn(type: string): string {
  return `${/^[aeio]/.test(type) ? "an" : "a"} ${type}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
