import type { Engine } from "../engine/engine.ts";
import { streamLines } from "../engine/stream-lines.ts";
import { LabError } from "../errors.ts";
import type { Place } from "../place.ts";
import { type SandboxReport, step } from "../progress.ts";
import { bootMessage, openConsole } from "./console.ts";
import type { Accelerator } from "./machine.ts";
import type { Supervisor } from "./supervisor.ts";

/** From power-on to a login. Emulation on two shared cores takes 10-50 s, ten at once many times that. */
const bootTimeoutMs: Record<Accelerator, number> = { kvm: 90_000, tcg: 300_000 };
const loginTimeoutMs = 90_000;
/** A boot prints hundreds of lines; nobody reads more than a few each second. */
const tellEveryMs = 250;

export interface BootWatchDeps {
  engine: Engine;
  container: string;
  sandboxId: string;
  accelerator: Accelerator;
  supervisor: Supervisor;
  place: Place;
}

interface Attempt {
  /** The guest's SSH answers. */
  answers: Promise<void>;
  /** Somebody has logged in. */
  login: Promise<void>;
}

/** Follows a guest from power-on until somebody can log in. */
export class BootWatch {
  readonly #deps: BootWatchDeps;
  readonly #end = new AbortController();
  #current: Attempt | undefined;

  constructor(deps: BootWatchDeps) {
    this.#deps = deps;
  }

  /** Waits with words: the steps `boot guest`, with what the console prints from `consoleOffset` on, and `log in`. */
  async tell(report: SandboxReport, consoleOffset: number, signal: AbortSignal): Promise<void> {
    const { answers, login } = this.#attempt();
    await step(report, "boot guest", async () => {
      const told = new AbortController();
      const telling = this.#tellConsole(report, consoleOffset, told.signal);
      try {
        await unlessAborted(answers, signal);
      } finally {
        told.abort();
        await telling;
      }
    });
    await step(report, "log in", () => unlessAborted(login, signal));
  }

  /**
   * Waits until the guest's SSH lets somebody in, and has the supervisor note it. All who wait share one attempt.
   * @throws LabError `timed_out` with where to look, `machine_failed` when QEMU ends meanwhile.
   */
  login(): Promise<void> {
    return this.#attempt().login;
  }

  /** The guest starts anew: what was waited for is void. */
  forget(): void {
    this.#current = undefined;
  }

  /** Nobody waits any more. */
  end(): void {
    this.#end.abort();
  }

  #attempt(): Attempt {
    if (this.#current) return this.#current;
    const answers = this.#guest(this.#end.signal);
    const attempt = { answers, login: this.#logIn(answers) };
    this.#current = attempt;
    const done = () => {
      if (this.#current === attempt) this.#current = undefined;
    };
    // Some only want it to happen: its failure is told to those who wait.
    attempt.login.then(done, done);
    return attempt;
  }

  async #logIn(answers: Promise<void>): Promise<void> {
    const { place, supervisor } = this.#deps;
    await answers;
    const { exitCode, stderr } = await place.exec(["true"], {
      timeoutMs: loginTimeoutMs,
      signal: this.#end.signal,
    });
    if (exitCode !== 0)
      throw new LabError("machine_failed", `the guest's shell answers with ${exitCode}: ${stderr.trim()}`);
    await supervisor.markReady(true);
  }

  async #guest(signal: AbortSignal): Promise<void> {
    const { supervisor, sandboxId, accelerator } = this.#deps;
    const timeoutMs = bootTimeoutMs[accelerator];
    const outcome = await supervisor.awaitGuest(timeoutMs, signal);
    if (outcome === "answers") return;
    if (outcome === "late")
      throw new LabError(
        "timed_out",
        `the guest of machine \`${sandboxId}\` did not answer by SSH within ${timeoutMs / 1000} s`,
        { hint: "its console shows where the boot stands; a reset tries once more" },
      );
    const { last } = await supervisor.status();
    throw new LabError(
      "machine_failed",
      `QEMU of machine \`${sandboxId}\` ended: ${last?.said || last?.reason}`,
    );
  }

  async #tellConsole(report: SandboxReport, offset: number, signal: AbortSignal): Promise<void> {
    const console = await openConsole(this.#deps, { offset }).catch(() => undefined);
    if (!console) return;
    const stop = () => console.destroy();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    let toldAt = 0;
    try {
      for await (const line of streamLines(console)) {
        const message = bootMessage(line);
        if (!message || performance.now() - toldAt < tellEveryMs) continue;
        toldAt = performance.now();
        report({ step: "boot guest", state: "progress", message });
      }
    } catch {
      // Only the story of the boot is lost; the boot itself is watched elsewhere.
    }
  }
}

/** Stops waiting, not the work, when the signal aborts. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {});
  const interrupted = () => new LabError("aborted", "interrupted");
  if (signal.aborted) throw interrupted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(interrupted());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
