import MarkdownIt from "markdown-it";
import cjkBreaks from "markdown-it-cjk-breaks";
import type { TextBlock } from "../protocol/views.ts";
import type { LabProblem } from "./problem.ts";

/** HTML in a text is shown, not run: whoever writes a lab need not be trusted with the page. */
const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false }).use(cjkBreaks);

const TASK_PLACE = /^::task\{id=([a-z0-9-]+)\}$/;
const FENCE_INFO = /^(\S*)(?:\s+\{run=(vm|cluster)\})?$/;

export interface LabText {
  blocks: TextBlock[];
  problems: LabProblem[];
  /** Where each block begins, for messages. */
  lines: number[];
}

/** One piece of Markdown, such as a hint, as HTML. */
export function renderMarkdown(text: string): string {
  return markdown.render(text).trim();
}

/**
 * Cuts a lab's text into what the page shows: HTML, code blocks to run (```` ```sh {run=vm} ````) or to copy, and the
 * places of tasks (`::task{id=…}` on a line of its own).
 */
export function parseLabText(file: string, text: string): LabText {
  const env = {};
  const tokens = markdown.parse(text, env);
  const blocks: TextBlock[] = [];
  const lines: number[] = [];
  const problems: LabProblem[] = [];
  let html: typeof tokens = [];
  const problem = (line: number, message: string, remedy: string) =>
    problems.push({ file, line, message, remedy });
  const push = (block: TextBlock, line: number) => {
    blocks.push(block);
    lines.push(line);
  };
  const flush = () => {
    const first = html[0];
    if (first)
      push(
        { kind: "html", html: markdown.renderer.render(html, markdown.options, env).trim() },
        lineOf(first),
      );
    html = [];
  };

  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (!token) break;
    const line = lineOf(token);
    const inline = tokens[at + 1];
    const place = token.type === "paragraph_open" ? TASK_PLACE.exec(inline?.content.trim() ?? "") : null;
    if (place?.[1] && token.level === 0) {
      flush();
      push({ kind: "task", taskId: place[1] }, line);
      at += 2;
    } else if (token.type === "fence" && token.level === 0) {
      flush();
      const info = FENCE_INFO.exec(token.info.trim());
      if (!info)
        problem(
          line,
          `\`${token.info.trim()}\` is not understood after the fence`,
          "write a language, then `{run=vm}` or `{run=cluster}` or nothing",
        );
      const run = info?.[2] as "vm" | "cluster" | undefined;
      push({ kind: "code", code: token.content, language: info?.[1] ?? "", ...(run ? { run } : {}) }, line);
    } else {
      if (token.type === "fence" && token.info.includes("{run="))
        problem(line, "a block to run stands inside a list or quotation", "move it to the left margin");
      if (token.type === "inline" && token.content.includes("::task"))
        problem(
          line,
          "`::task` is not alone in its paragraph",
          "write `::task{id=…}` on a line of its own, with an empty line before and after",
        );
      html.push(token);
    }
  }
  flush();
  return { blocks, problems, lines };
}

function lineOf(token: { map: [number, number] | null }): number {
  return (token.map?.[0] ?? 0) + 1;
}
