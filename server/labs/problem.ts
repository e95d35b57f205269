import { LabError } from "../../sandboxes/errors.ts";

/** Something wrong in a lab's files: where, what, and what to do about it. */
export interface LabProblem {
  /** Path as the author knows it, from the folder of labs on. */
  file: string;
  /** Counted from 1. */
  line: number;
  message: string;
  remedy: string;
}

export function problemLine({ file, line, message, remedy }: LabProblem): string {
  return `${file}:${line}: ${message} (${remedy})`;
}

/** All problems in one `lab_invalid`. */
export function labInvalid(problems: readonly LabProblem[]): LabError {
  return new LabError("lab_invalid", problems.map(problemLine).join("\n"), {
    hint: "mend the lines named above; `footbridge labs lint` checks again",
  });
}
