import { setTimeout as delay } from "node:timers/promises";
import type { Engine, ExecResult } from "../engine/engine.ts";
import { streamLines } from "../engine/stream-lines.ts";
import { LabError } from "../errors.ts";
import type { Place } from "../place.ts";
import { type SandboxReport, step } from "../progress.ts";
import { unlessAborted } from "../waiting.ts";
import { bootMessage, lastPrinted, openConsole } from "./console.ts";
import type { Accelerator } from "./machine.ts";
import type { Supervisor, SupervisorStatus } from "./supervisor.ts";

export interface BootPatience {
  /** From power-on, or a reset, to an answer by SSH. */
  bootMs: number;
  /** A boot that prints nothing for so long stands still. */
  stillMs: number;
}

/**
 * Emulation on two shared cores takes 10-50 s for a boot, ten at once many times that, and prints every few seconds.
 * One of some hundred emulated boots was seen to stand still.
 */
const patienceWith: Record<Accelerator, BootPatience> = {
  kvm: { bootMs: 90_000, stillMs: 30_000 },
  tcg: { bootMs: 300_000, stillMs: 90_000 },
};
const loginTimeoutMs = 90_000;
const retryMs = 500;
/** A boot prints hundreds of lines; nobody reads more than a few each second. */
const tellEveryMs = 250;

export interface BootWatchDeps {
  engine: Engine;
  container: string;
  sandboxId: string;
  accelerator: Accelerator;
  supervisor: Pick<Supervisor, "awaitGuest" | "markReady" | "status">;
  place: Pick<Place, "exec">;
  /** Presses the reset button. */
  reset(): Promise<void>;
  /** Starts QEMU as it was started before. */
  powerOn(): Promise<void>;
  /** By default what the accelerator needs. */
  patience?: BootPatience;
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
  #isFirst = false;

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
   * Should QEMU crash meanwhile, it is started again, once.
   * @throws LabError `timed_out` with where to look, `machine_failed` when QEMU ends meanwhile.
   */
  login(): Promise<void> {
    return this.#attempt().login;
  }

  /**
   * The guest starts anew: what was waited for is void.
   * @param isFirst nothing of anybody's is in the guest yet: should its boot stand still, it is reset, once.
   */
  forget({ isFirst = false } = {}): void {
    this.#current = undefined;
    this.#isFirst = isFirst;
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
    await answers;
    const { exitCode, stderr } = await this.#firstCommand();
    if (exitCode !== 0)
      throw new LabError("machine_failed", `the guest's shell answers with ${exitCode}: ${stderr.trim()}`);
    // That the guest before the reset let somebody in says nothing of this one.
    if (this.#current?.answers === answers) await this.#deps.supervisor.markReady(true);
  }

  /**
   * The place itself connects anew but once. Here it is known that the guest runs, and an emulated processor may stand
   * still for so long that a second connection is given up as well.
   */
  async #firstCommand(): Promise<ExecResult> {
    const { place, supervisor } = this.#deps;
    const { signal } = this.#end;
    const deadline = performance.now() + loginTimeoutMs;
    for (;;) {
      try {
        const timeoutMs = Math.max(retryMs, deadline - performance.now());
        return await place.exec(["true"], { timeoutMs, signal });
      } catch (error) {
        const isOn = await supervisor.status().then(
          ({ qemu }) => qemu !== null,
          () => false,
        );
        if (!isOn || signal.aborted || performance.now() >= deadline) throw error;
      }
      await delay(retryMs);
    }
  }

  async #guest(signal: AbortSignal): Promise<void> {
    const { supervisor, sandboxId, accelerator } = this.#deps;
    const { bootMs, stillMs } = this.#deps.patience ?? patienceWith[accelerator];
    let mayReset = this.#isFirst;
    let mayPowerOn = true;
    let deadline = performance.now() + bootMs;
    let printed = -1;
    for (;;) {
      const outcome = await supervisor.awaitGuest(Math.min(stillMs, deadline - performance.now()), signal);
      if (outcome === "answers") return;
      const { consoleBytes, last } = await supervisor.status();
      if (outcome === "off" && mayPowerOn && hasCrashed(last)) {
        mayPowerOn = false;
        deadline = performance.now() + bootMs;
        await this.#deps.powerOn();
        continue;
      }
      if (outcome === "off")
        throw new LabError(
          "machine_failed",
          `QEMU of machine \`${sandboxId}\` ended: ${last?.said || last?.reason}`,
        );
      if (mayReset && consoleBytes === printed) {
        mayReset = false;
        deadline = performance.now() + bootMs;
        await this.#deps.reset();
      } else if (performance.now() >= deadline) break;
      printed = consoleBytes;
    }
    const words = await lastPrinted(this.#deps).catch(() => "");
    const late = `the guest of machine \`${sandboxId}\` did not answer by SSH within ${bootMs / 1000} s`;
    throw new LabError("timed_out", words ? `${late}; its console ends with: ${words}` : late, {
      hint: "its console shows where the boot stands; a reset tries once more",
    });
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

/**
 * Whether QEMU ended by a fault of its own, which nobody asked for and no want of memory caused. Emulation of two
 * processors was seen to fail so in one of some hundred boots (`iotlb_to_section: Assertion ... failed`, QEMU 10.0).
 */
function hasCrashed(last: SupervisorStatus["last"]): boolean {
  return last?.signal === "SIGABRT" || last?.signal === "SIGSEGV";
}
