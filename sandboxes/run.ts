import { execa } from "execa";
import { LabError } from "./errors.ts";

export interface RunOptions {
  /** The command is killed when this passes. Required: nothing runs for ever. */
  timeoutMs: number;
  /** What the command has to end by itself once it was told to; 5 s unless it says otherwise. */
  killAfterMs?: number;
  signal?: AbortSignal | undefined;
  /** Whether a Ctrl-C at the terminal, which every process there gets, leaves the command alone. */
  isSheltered?: boolean;
  env?: Record<string, string>;
  cwd?: string;
  /** Text or bytes for standard input; without it, standard input is closed. */
  input?: string | Uint8Array;
  /** Called with each line of stdout and stderr as it comes. */
  onLine?: (line: string) => void;
  /** Words that must never be in a message: replaced by `***` in the error. */
  secrets?: string[];
  /** Exit codes other than 0 that are answers, not failures. */
  okExitCodes?: number[];
}

export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A command as something to paste into a shell. */
export function shellQuote(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

/**
 * Runs a command from an argv array, never a shell string, under a deadline.
 * @throws LabError `command_failed`, `disk_full`, `timed_out` or `aborted`, with the command to paste and its last lines.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  const [file, ...args] = argv;
  const { onLine } = options;
  const tap = onLine && {
    *transform(line: unknown) {
      onLine(String(line));
      yield line;
    },
  };
  const child = execa(file, args, {
    timeout: options.timeoutMs,
    forceKillAfterDelay: options.killAfterMs ?? 5_000,
    reject: false,
    stripFinalNewline: true,
    maxBuffer: 64 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    ...(options.isSheltered ? { detached: true } : {}),
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
    ...(tap ? { stdout: tap, stderr: tap } : {}),
  });
  const result = await child;
  const exitCode = result.exitCode ?? -1;
  const { stdout, stderr } = { stdout: result.stdout ?? "", stderr: result.stderr ?? "" };
  if (!result.failed || (options.okExitCodes ?? []).includes(exitCode)) return { stdout, stderr, exitCode };

  const hide = (text: string) =>
    (options.secrets ?? []).reduce((kept, secret) => kept.replaceAll(secret, "***"), text);
  const command = hide(shellQuote(argv));
  const tail = hide((stderr || stdout).split("\n").slice(-12).join("\n"));
  if (result.isCanceled) throw new LabError("aborted", `\`${command}\` was interrupted`);
  if (result.timedOut)
    throw new LabError(
      "timed_out",
      `\`${command}\` did not end within ${options.timeoutMs / 1000} s: ${tail}`,
    );
  if (result.exitCode === undefined)
    throw new LabError("command_failed", `could not start \`${command}\`: ${result.shortMessage}`, {
      hint: `is \`${file}\` installed?`,
    });
  throw commandFailure(command, exitCode, tail);
}

/** A command that ended with another exit code than 0, as the error that its last words `said` make of it. */
export function commandFailure(command: string, exitCode: number, said: string): LabError {
  const isFull = /no space left on device/i.test(said);
  return new LabError(
    isFull ? "disk_full" : "command_failed",
    `\`${command}\` exited with ${exitCode}: ${said}`,
    isFull ? { hint: "free disk space on the host, where Docker keeps its data first of all" } : {},
  );
}
