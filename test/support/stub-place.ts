import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import type { ExecOptions, ExecResult } from "../../sandboxes/engine/engine.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Place, StreamOptions } from "../../sandboxes/place.ts";
import { duplexOf } from "./duplex-of.ts";

const HOME = "/home/admin";

/** Not the login shell of whoever runs the tests: its start-up files are no affair of a sandbox. */
const SHELL = ["sh", "-c", 'cd "$STUB_HOME" && HOME="$PWD" exec bash --norc --noprofile -i'];

/** A place that is a folder of this host: commands really run, as whoever runs the tests, at home in that folder. */
export class StubPlace implements Place {
  readonly role: "vm" | "cluster";
  readonly root: string;
  readonly #isUp: () => boolean;
  readonly #running = new Set<Duplex>();

  constructor(role: "vm" | "cluster", root: string, isUp: () => boolean) {
    this.role = role;
    this.root = root;
    this.#isUp = isUp;
  }

  get home(): string {
    return join(this.root, HOME);
  }

  async prepare(): Promise<void> {
    await mkdir(this.home, { recursive: true });
  }

  /** Ends every process that runs here, shells included, as pulling the plug does. */
  async end(): Promise<void> {
    for (const stream of this.#running) stream.destroy();
    for (const pid of await this.#processes())
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
  }

  /** Processes carry their home in their environment, which tells ours from anybody else's. */
  async #processes(): Promise<number[]> {
    const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
    const isOurs = async (pid: number) => {
      const environ = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return `\0${environ}`.includes(`\0STUB_HOME=${this.home}\0`);
    };
    const ours = await Promise.all(pids.map(isOurs));
    return pids.filter((_, index) => ours[index]);
  }

  async exec(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const child = this.#spawn(argv, options.env);
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (data: Buffer) => {
      output.stdout += data.toString();
    });
    child.stderr.on("data", (data: Buffer) => {
      output.stderr += data.toString();
    });
    child.stdin.end(options.input ?? "");
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
    try {
      return { exitCode: await promise, ...output };
    } finally {
      clearTimeout(timer);
    }
  }

  async stream(argv: readonly string[], _options: StreamOptions): Promise<Duplex> {
    // A holder takes the shell it starts from the end of its arguments, else the user's.
    const isTerminal = argv.includes("attach");
    const child = this.#spawn(isTerminal ? [...argv, ...SHELL] : argv, undefined);
    const stream = duplexOf(child.stdout, child.stdin);
    this.#running.add(stream);
    child.stdin.on("error", () => {});
    child.once("error", (error) => stream.destroy(error));
    stream.on("error", () => {});
    stream.once("close", () => {
      this.#running.delete(stream);
      child.kill();
    });
    return stream;
  }

  async writeFile(path: string, content: Uint8Array, options: { mode: number }): Promise<void> {
    this.#assertUp();
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, options.mode);
  }

  async readFile(path: string, options: { maxBytes: number }): Promise<Uint8Array> {
    this.#assertUp();
    const file = join(this.root, path);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) throw new LabError("not_found", `there is no file \`${path}\``);
    if (found.size > options.maxBytes) throw new LabError("bad_request", `\`${path}\` is too large`);
    return await readFile(file);
  }

  #spawn(argv: readonly string[], env: Record<string, string> | undefined) {
    this.#assertUp();
    // A file that was put into the place is meant, not the host's of that name.
    const [file = "true", ...args] = argv.map((word) =>
      word.startsWith("/") && existsSync(join(this.root, word)) ? join(this.root, word) : word,
    );
    return spawn(file, args, {
      cwd: this.home,
      env: {
        ...process.env,
        HOME: this.home,
        STUB_HOME: this.home,
        // The holders of different places must not meet; socket paths are short.
        FOOTBRIDGE_TERMINALS: join(this.root, "t"),
        ...env,
      },
      stdio: "pipe",
    });
  }

  #assertUp(): void {
    if (!this.#isUp()) throw new LabError("machine_failed", "the VM is off", { hint: "power it on" });
  }
}
