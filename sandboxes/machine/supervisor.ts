import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { streamLines } from "../engine/stream-lines.ts";
import { LabError } from "../errors.ts";
import { PATHS } from "./names.ts";

const hardware = z.object({ cpus: z.number(), memoryMib: z.number(), dataDiskGib: z.number() });

/** What a machine remembers on its own volume, so that no server needs to. */
const memory = z.object({
  uuid: z.string(),
  hardware,
  pendingHardware: hardware.optional(),
  /** Of a template: it is whole. */
  isSaved: z.boolean().optional(),
});
export type MachineMemory = z.infer<typeof memory>;

const status = z.object({
  devices: z.array(z.string()),
  qemu: z
    .object({
      pid: z.number(),
      ready: z.boolean(),
      runState: z.enum(["running", "paused", "no-space", "io-error"]),
      seconds: z.number(),
    })
    .nullable(),
  last: z
    .object({
      exitCode: z.number().nullable(),
      signal: z.string().nullable(),
      /** QEMU's own word for a shutdown it was asked for, e.g. `guest-shutdown`. */
      reason: z.string().nullable(),
      said: z.string(),
    })
    .nullable(),
  remembered: memory.nullable(),
  consoleBytes: z.number(),
});
export type SupervisorStatus = z.infer<typeof status>;

const connectTimeoutMs = 15_000;
/** Who is followed says something every 30 s. */
const silenceMs = 90_000;
/** For socat, which tries for 10 s, since a container that has just started does not listen yet. */
const untilListening = `UNIX-CONNECT:${PATHS.control},retry=100,interval=0.1`;

const answer = z.union([z.object({ ok: z.unknown() }), z.object({ error: z.string() })]);

/**
 * What runs in a machine's container. Given along, so that a server always finds the supervisor it knows, whatever image
 * the machine is of.
 */
export async function supervisorCommand(): Promise<string[]> {
  return ["python3", "-c", await readFile(new URL("./supervisor.py", import.meta.url), "utf8")];
}

/** Speaks to supervisor.py in one machine's container; see there for what each request does. */
export class Supervisor {
  readonly #engine: Engine;
  readonly #container: string;

  constructor(deps: { engine: Engine; container: string }) {
    this.#engine = deps.engine;
    this.#container = deps.container;
  }

  async status(): Promise<SupervisorStatus> {
    return status.parse(await this.#ask({ do: "status" }, 20_000));
  }

  async powerOn(argv: readonly string[]): Promise<void> {
    await this.#ask({ do: "power_on", argv }, 20_000);
  }

  /** Waits for the guest's SSH: `off` when QEMU ends meanwhile, `late` when time is up. */
  async awaitGuest(timeoutMs: number, signal: AbortSignal): Promise<"answers" | "off" | "late"> {
    const waited = z.object({ answers: z.boolean(), off: z.boolean().optional() });
    const request = { do: "await_guest", seconds: timeoutMs / 1000 };
    const { answers, off } = waited.parse(await this.#ask(request, timeoutMs + 30_000, signal));
    if (answers) return "answers";
    return off ? "off" : "late";
  }

  /** Whether QEMU has ended within `timeoutMs`. */
  async awaitOff(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const request = { do: "await_off", seconds: timeoutMs / 1000 };
    return z.object({ off: z.boolean() }).parse(await this.#ask(request, timeoutMs + 30_000, signal)).off;
  }

  /**
   * Calls back at once, and each time QEMU starts, ends, stops or goes on, and the guest boots anew or has let somebody
   * in. Resolves when the signal aborts, the container ends, or the connection has died without a word.
   * @throws LabError `machine_failed` where the supervisor is of a release that can't tell
   */
  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const argv = ["socat", "-", untilListening];
    const stream = await this.#engine.stream(this.#container, argv);
    const stop = () => stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    const silence = setTimeout(stop, silenceMs);
    try {
      if (signal.aborted) return;
      stream.write(`${JSON.stringify({ do: "follow" })}\n`);
      for await (const line of streamLines(stream)) {
        silence.refresh();
        if (line === "changed") onChange();
        else if (line !== "")
          throw new LabError("machine_failed", `the supervisor can't be followed: ${line}`, {
            hint: "the machine is of an earlier release; reset the lab",
          });
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  async markReady(ready: boolean): Promise<void> {
    await this.#ask({ do: "mark_ready", ready }, 20_000);
  }

  async kill(): Promise<void> {
    await this.#ask({ do: "kill" }, 20_000);
  }

  async remember(value: MachineMemory): Promise<void> {
    await this.#ask({ do: "remember", value }, 20_000);
  }

  /**
   * A TCP connection to a port of the guest, made from its container: through the guest's firewall.
   * @throws LabError `machine_failed` where nothing answers there.
   */
  async connect(port: number): Promise<Duplex> {
    // After one side has ended, socat waits `-t` seconds for the other.
    const argv = ["socat", "-t", "600", "-", `UNIX-CONNECT:${PATHS.control}`];
    const stream = await this.#engine.stream(this.#container, argv);
    const what = `could not connect to port ${port} of the machine`;
    const late = new LabError("timed_out", `${what} within ${connectTimeoutMs / 1000} s`);
    const timer = setTimeout(() => stream.destroy(late), connectTimeoutMs);
    try {
      stream.write(`${JSON.stringify({ do: "connect", port })}\n`);
      const said = answer.parse(JSON.parse(await takeLine(stream)));
      if ("error" in said) throw new LabError("machine_failed", `${what}: ${said.error}`);
      return stream;
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(request: { do: string } & Record<string, unknown>, timeoutMs: number, signal?: AbortSignal) {
    // socat waits `-t` seconds for the answer after it has seen the end of the request.
    const seconds = String(Math.ceil(timeoutMs / 1000));
    const argv = ["socat", "-t", seconds, "-", untilListening];
    const { stdout, stderr, exitCode } = await this.#engine.exec(this.#container, argv, {
      timeoutMs,
      input: `${JSON.stringify(request)}\n`,
      ...(signal ? { signal } : {}),
    });
    const what = `could not ask the supervisor in \`${this.#container}\` to ${request.do}`;
    if (exitCode !== 0 || stdout === "") throw new LabError("machine_failed", `${what}: ${stderr.trim()}`);
    const said = answer.parse(JSON.parse(stdout));
    if ("error" in said) throw new LabError("machine_failed", `${what}: ${said.error}`);
    return said.ok;
  }
}

/** Takes the first line off a stream and leaves the rest in it. */
async function takeLine(stream: Duplex): Promise<string> {
  const line = Promise.withResolvers<string>();
  const taken: Buffer[] = [];
  const onReadable = () => {
    for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
      const end = chunk.indexOf(0x0a);
      taken.push(end < 0 ? chunk : chunk.subarray(0, end));
      if (end < 0) continue;
      stream.off("readable", onReadable);
      if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1));
      return line.resolve(Buffer.concat(taken).toString());
    }
  };
  const onEnd = () => line.reject(new LabError("machine_failed", "the machine's supervisor hung up"));
  stream.on("readable", onReadable);
  stream.once("end", onEnd);
  stream.once("error", line.reject);
  try {
    return await line.promise;
  } finally {
    stream.off("readable", onReadable);
    stream.off("end", onEnd);
    stream.off("error", line.reject);
  }
}
