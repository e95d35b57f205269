/**
 * What a long piece of work tells about itself: a named step starts, goes on and ends.
 * `fraction` is 0..1 where it is known.
 */
export interface ProgressEvent<Step extends string = string> {
  step: Step;
  state: "started" | "progress" | "done" | "failed";
  message?: string;
  fraction?: number;
}

export type Report<Step extends string = string> = (event: ProgressEvent<Step>) => void;

/** Steps in the making and the mending of a sandbox; pages have words of their own for each. */
export const sandboxSteps = [
  "create network",
  "start VM",
  "boot guest",
  "log in",
  "load node image",
  "create cluster",
  "join nodes",
  "guard rails",
  "start nodes",
  "nodes ready",
] as const;
export type SandboxStep = (typeof sandboxSteps)[number];
export type SandboxReport = Report<SandboxStep>;

/** Runs one named step and reports its start, end and failure. */
export async function step<T, Step extends string>(
  report: Report<Step>,
  name: Step,
  work: () => Promise<T>,
): Promise<T> {
  report({ step: name, state: "started" });
  try {
    const result = await work();
    report({ step: name, state: "done" });
    return result;
  } catch (error) {
    report({ step: name, state: "failed", message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}
