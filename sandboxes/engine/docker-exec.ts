import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { shellQuote } from "../run.ts";
import { dockerCall } from "./docker-errors.ts";
import type { ExecOptions, ExecResult } from "./engine.ts";
import { ExecStream } from "./exec-stream.ts";
import { announcePid, killGroup } from "./pid-announcement.ts";
import { runProcess } from "./process-stream.ts";

const startTimeoutMs = 30_000;
/** Docker may say "running" for a moment after a process has closed its output. */
const exitTimeoutMs = 15_000;

export interface OpenExecOptions {
  user?: string | undefined;
  /** What messages call it; its command line in backquotes where absent. */
  title?: string | undefined;
  env?: Record<string, string> | undefined;
  /** How much of standard error to keep, newest first. */
  stderrLimit: number;
  /** An exit code other than 0 becomes the stream's error. */
  failOnExit: boolean;
  /** How long the start may take; 30 s unless it says otherwise. */
  startTimeoutMs?: number;
}

/**
 * Starts a command in a running container and gives its stdin and stdout. The container needs a `sh`.
 * @throws LabError `not_found`, `conflict` where the container does not run, `docker_unavailable`, `timed_out`.
 */
export async function openExec(
  docker: Docker,
  name: string,
  argv: readonly string[],
  options: OpenExecOptions,
): Promise<ExecStream> {
  const title = options.title ?? `\`${shellQuote(argv).slice(0, 200)}\``;
  const what = `run ${title} in \`${name}\``;
  let isLate = false;
  const open = async (abortSignal: AbortSignal) => {
    const exec = await docker.getContainer(name).exec({
      Cmd: ["sh", "-c", announcePid('"$@"'), "sh", ...argv],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      ...(options.user === undefined ? {} : { User: options.user }),
      ...(options.env ? { Env: Object.entries(options.env).map(([key, value]) => `${key}=${value}`) } : {}),
      abortSignal,
    });
    // With `hijack` docker-modem hands over the raw socket. Hanging up would end no process: this may come late.
    const socket = (await exec.start({ hijack: true, stdin: true })) as unknown as Socket;
    const isRunning = async (signal: AbortSignal) => (await exec.inspect({ abortSignal: signal })).Running;
    const stream = new ExecStream(
      socket,
      {
        title,
        exitCode: () =>
          dockerCall(`learn how ${title} ended`, exitTimeoutMs, (signal) => exitCode(exec, signal)),
        kill: async (pid) => {
          if (!(await dockerCall(`look at ${title}`, startTimeoutMs, isRunning))) return;
          await kill(docker, name, pid, options.user);
        },
      },
      options,
    );
    if (isLate) stream.destroy();
    return stream;
  };
  try {
    return await dockerCall(what, options.startTimeoutMs ?? startTimeoutMs, open);
  } catch (error) {
    isLate = true;
    throw error;
  }
}

async function exitCode(exec: Docker.Exec, abortSignal: AbortSignal): Promise<number> {
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const state = await exec.inspect({ abortSignal });
    if (!state.Running) return state.ExitCode ?? -1;
    await delay(pauseMs);
  }
}

async function kill(docker: Docker, name: string, pid: number, user: string | undefined): Promise<void> {
  await dockerCall(`kill process ${pid} in \`${name}\``, startTimeoutMs, async (abortSignal) => {
    const exec = await docker.getContainer(name).exec({
      Cmd: ["sh", "-c", killGroup(pid)],
      ...(user === undefined ? {} : { User: user }),
      abortSignal,
    });
    // Unread, the empty answer would keep its connection.
    (await exec.start({ Detach: true, abortSignal })).resume();
    await exitCode(exec, abortSignal);
  });
}

/** Runs a command to its end; one that passes its deadline, or whose signal aborts, is killed. */
export async function runExec(
  docker: Docker,
  name: string,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const open = () =>
    openExec(docker, name, argv, {
      user: options.user,
      env: options.env,
      stderrLimit: 1024 * 1024,
      failOnExit: false,
    });
  const title = `\`${shellQuote(argv).slice(0, 200)}\` in \`${name}\``;
  const result = await runProcess(title, open, options);
  return { ...result, stdout: result.stdout.toString() };
}
