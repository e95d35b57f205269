import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../errors.ts";
import { commandFailure, type RunOptions, type RunResult, run } from "../run.ts";

const REMOVAL_MS = 120_000;

/** Which Docker the `docker` command talks to, by its environment (DOCKER_HOST…). */
export interface DockerCommandDeps {
  env: Record<string, string>;
}

/** Runs `docker …`. */
export async function docker(
  deps: DockerCommandDeps,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  return await run(["docker", ...args], { ...options, env: { ...deps.env, ...options.env } });
}

/** Whether an image of this tag exists at the endpoint. */
export async function imageExists(deps: DockerCommandDeps, tag: string): Promise<boolean> {
  const { stdout } = await docker(deps, ["image", "ls", "--quiet", tag], { timeoutMs: 30_000 });
  return stdout.trim() !== "";
}

/**
 * Kills and removes a container with its anonymous volumes, and returns once it is gone. Where Docker refuses, it stays:
 * whoever cleans up after a failure has that one to tell.
 * @throws LabError `timed_out` where Docker doesn't get rid of it.
 */
export async function removeContainer(deps: DockerCommandDeps, name: string): Promise<void> {
  const deadline = performance.now() + REMOVAL_MS;
  for (;;) {
    const remove = ["rm", "-f", "-v", name];
    const { stderr } = await docker(deps, remove, { timeoutMs: REMOVAL_MS, okExitCodes: [1] });
    // Docker itself is at it already where it was told to by `--rm`, and the container has ended.
    if (!/removal of container .* is already in progress/.test(stderr)) return;
    if (performance.now() > deadline)
      throw new LabError("timed_out", `container \`${name}\` is not removed: ${stderr.trim()}`, {
        hint: "`docker rm -f` removes it, or a restart of Docker",
      });
    await delay(100);
  }
}

/**
 * Pipes one command's output into another's input without holding it in memory.
 * @param options.onBytes told how many there were so far, at each chunk.
 * @throws LabError `command_failed`, `disk_full`, `timed_out` or `aborted`.
 */
export async function pipeCommands(
  from: readonly [string, ...string[]],
  to: readonly [string, ...string[]],
  options: {
    timeoutMs: number;
    env: Record<string, string>;
    signal?: AbortSignal | undefined;
    onBytes?: (moved: number) => void;
  },
): Promise<string> {
  const env = { ...process.env, ...options.env };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("timed out")), options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal;
  try {
    const source = spawn(from[0], from.slice(1), { stdio: ["ignore", "pipe", "pipe"], env, signal });
    const sink = spawn(to[0], to.slice(1), { stdio: ["pipe", "pipe", "pipe"], env, signal });
    // A sink that ends early is told by its exit code, not by the broken pipe.
    sink.stdin.on("error", () => source.kill());
    let moved = 0;
    source.stdout.on("data", (chunk: Buffer) => {
      moved += chunk.length;
      options.onBytes?.(moved);
    });
    source.stdout.pipe(sink.stdin);
    const [left, right] = await Promise.all([settled(source), settled(sink)]);
    if (options.signal?.aborted)
      throw new LabError("aborted", `\`${to.slice(0, 2).join(" ")}\` was interrupted`);
    if (controller.signal.aborted)
      throw new LabError(
        "timed_out",
        `\`${to.slice(0, 2).join(" ")}\` took more than ${options.timeoutMs / 1000} s`,
      );
    for (const [argv, end] of [[to, right] as const, [from, left] as const])
      if (end.code !== 0) throw commandFailure(argv.join(" "), end.code, end.errors);
    return right.output;
  } finally {
    clearTimeout(timer);
  }
}

function settled(child: ReturnType<typeof spawn>): Promise<{ code: number; output: string; errors: string }> {
  let output = "";
  let errors = "";
  // The source's output goes to the sink; only a short answer is kept.
  child.stdout?.on("data", (chunk: Buffer) => {
    if (output.length < 10_000) output += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2_000);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: -1, output, errors: error.message }));
    child.once("close", (code) =>
      resolve({ code: code ?? -1, output: output.trim(), errors: errors.trim() }),
    );
  });
}
