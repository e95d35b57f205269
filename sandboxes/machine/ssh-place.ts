import type { Duplex } from "node:stream";
import type { ExecOptions, ExecResult } from "../engine/engine.ts";
import { runProcess } from "../engine/process-stream.ts";
import { LabError } from "../errors.ts";
import type { Place, StreamOptions } from "../place.ts";
import { shellQuote } from "../run.ts";
import type { SshConnection } from "./ssh-connection.ts";

type User = "root" | "admin";
const fileTimeoutMs = 120_000;

// Written beside and moved into place, so that a reader sees the old file or the new one, and a link is replaced.
const writeScript = `set -e
fresh=$(mktemp -- "$1.XXXXXX")
trap 'rm -f -- "$fresh"' EXIT
cat >"$fresh"
chmod -- "$2" "$fresh"
mv -fT -- "$fresh" "$1"`;

/** The VM over SSH: one connection for each user, shared by everything that runs there. */
export class SshPlace implements Place {
  readonly role = "vm";
  readonly #connections: Record<User, SshConnection>;

  constructor(connections: Record<User, SshConnection>) {
    this.#connections = connections;
  }

  /** Logs in ahead of the first command. */
  async login(user: User): Promise<void> {
    await this.#connections[user].login();
  }

  /** Runs as `options.user`, `root` or `admin`; root where absent. */
  async exec(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const result = await this.#run(argv, options);
    return { ...result, stdout: result.stdout.toString() };
  }

  async stream(argv: readonly string[], options: StreamOptions): Promise<Duplex> {
    const { title = titleOf(argv) } = options;
    return await this.#connections[options.user].command(shellQuote(argv), { title, failOnExit: true });
  }

  async writeFile(path: string, content: Uint8Array, options: { mode: number; owner: User }): Promise<void> {
    const argv = ["sh", "-c", writeScript, "sh", path, options.mode.toString(8).padStart(4, "0")];
    const exec = { timeoutMs: fileTimeoutMs, user: options.owner, input: content };
    const { exitCode, stderr } = await this.#run(argv, exec);
    if (exitCode !== 0) throw fileError(`write \`${path}\``, stderr);
  }

  async readFile(path: string, options: { maxBytes: number; user: User }): Promise<Uint8Array> {
    const argv = ["head", "-c", String(options.maxBytes + 1), "--", path];
    const { exitCode, stdout, stderr } = await this.#run(argv, {
      timeoutMs: fileTimeoutMs,
      user: options.user,
    });
    if (exitCode !== 0) throw fileError(`read \`${path}\``, stderr);
    if (stdout.length > options.maxBytes)
      throw new LabError("bad_request", `\`${path}\` is larger than ${options.maxBytes} bytes`);
    return stdout;
  }

  async #run(argv: readonly string[], options: ExecOptions) {
    const user = options.user ?? "root";
    if (user !== "root" && user !== "admin")
      throw new LabError("bad_request", `no user \`${user}\` to log in to the machine`);
    const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const line = shellQuote(variables.length === 0 ? argv : ["env", ...variables, ...argv]);
    const title = titleOf(argv);
    const open = () => this.#connections[user].command(line, { title, failOnExit: false });
    return await runProcess(title, open, options);
  }
}

function titleOf(argv: readonly string[]): string {
  return `\`${shellQuote(argv).slice(0, 200)}\` in the machine`;
}

function fileError(attempt: string, stderr: string): LabError {
  const said = stderr.trim().split("\n").at(-1) ?? "";
  if (/no such file/i.test(said)) return new LabError("not_found", `could not ${attempt}: ${said}`);
  if (/permission denied/i.test(said)) return new LabError("forbidden", `could not ${attempt}: ${said}`);
  if (/no space left/i.test(said))
    return new LabError("disk_full", `could not ${attempt}: ${said}`, {
      hint: "free space on the machine's disk",
    });
  return new LabError("machine_failed", `could not ${attempt}: ${said}`);
}
