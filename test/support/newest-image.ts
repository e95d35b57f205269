import { run } from "../../sandboxes/run.ts";

/** The newest image of a name at the local Docker; `FOOTBRIDGE_TEST_<NAME>_IMAGE` names another one. */
export async function newestImage(name: string): Promise<string> {
  const named = process.env[`FOOTBRIDGE_TEST_${name.toUpperCase().replaceAll("-", "_")}_IMAGE`];
  if (named) return named;
  const format = "{{.Repository}}:{{.Tag}}";
  const list = ["docker", "image", "ls", "--format", format, `footbridge/${name}`] as const;
  const newest = (await run(list, { timeoutMs: 20_000 })).stdout.split("\n")[0];
  if (newest) return newest;
  throw new Error(`no ${name} image: \`footbridge images build\` makes it`);
}
