import { resolve } from "node:path";
import { lintLabs } from "../labs/load-labs.ts";
import { problemLine } from "../labs/problem.ts";
import { labsDir } from "./places.ts";

/** `footbridge labs lint [folder]`: every error of every lab at once; exit status 1 where there is one. */
export async function lint(folder: string | undefined): Promise<void> {
  const problems = await lintLabs(folder ? resolve(folder) : labsDir);
  for (const problem of problems) process.stdout.write(`${problemLine(problem)}\n`);
  if (problems.length > 0) process.exitCode = 1;
  else process.stdout.write("every lab is sound\n");
}
