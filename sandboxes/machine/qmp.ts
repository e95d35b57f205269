import type { Duplex } from "node:stream";
import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { streamLines } from "../engine/stream-lines.ts";
import { LabError } from "../errors.ts";
import { PATHS } from "./names.ts";

/** Commands of QEMU's machine protocol that are used here, with what they answer (QEMU QMP reference). */
const commands = {
  system_powerdown: z.object({}),
  system_reset: z.object({}),
  cont: z.object({}),
  "query-status": z.object({ running: z.boolean(), status: z.string() }),
  "migrate-set-capabilities": z.object({}),
  migrate: z.object({}),
  "migrate-incoming": z.object({}),
  "query-migrate": z.object({ status: z.string().optional(), "error-desc": z.string().optional() }),
} as const;
type Command = keyof typeof commands;

const reply = z.union([
  z.object({ return: z.unknown() }),
  z.object({ error: z.object({ desc: z.string() }) }),
  z.object({ QMP: z.unknown() }),
  z.object({ event: z.string() }),
]);

interface QmpDeps {
  engine: Engine;
  container: string;
}

interface QmpOptions {
  timeoutMs?: number;
  arguments?: Record<string, unknown>;
}

type Ask = <C extends Command>(
  command: C,
  given?: Record<string, unknown>,
) => Promise<z.infer<(typeof commands)[C]>>;

/** Runs one command on the monitor of a machine's QEMU, in a visit of its own; see `visitQmp`. */
export async function qmp<C extends Command>(
  deps: QmpDeps,
  command: C,
  options: QmpOptions = {},
): Promise<z.infer<(typeof commands)[C]>> {
  return await visitQmp(deps, command, (ask) => ask(command, options.arguments), options);
}

/**
 * Visits the monitor of a machine's QEMU for a few commands. Each visit is a connection of its own: QEMU takes one at a
 * time, so none may be held.
 * @throws LabError `machine_failed` with QEMU's words, `timed_out`.
 */
export async function visitQmp<T>(
  deps: QmpDeps,
  title: string,
  visit: (ask: Ask) => Promise<T>,
  { timeoutMs = 20_000 }: Pick<QmpOptions, "timeoutMs"> = {},
): Promise<T> {
  const stream = await deps.engine.stream(deps.container, [
    "socat",
    "-",
    `UNIX-CONNECT:${PATHS.qmp},retry=50,interval=0.1`,
  ]);
  const what = `\`${title}\` to QEMU in \`${deps.container}\``;
  const late = new LabError("timed_out", `${what} got no answer within ${timeoutMs / 1000} s`, {
    hint: "the host may be overloaded",
  });
  const timer = setTimeout(() => stream.destroy(late), timeoutMs);
  try {
    const replies = conversation(stream);
    // The greeting comes first; negotiation is required before any other command.
    await replies.next();
    await say(stream, replies, "qmp_capabilities");
    return await visit(
      async <C extends Command>(command: C, given?: Record<string, unknown>) =>
        commands[command].parse(await say(stream, replies, command, given)) as z.infer<(typeof commands)[C]>,
    );
  } catch (error) {
    if (error instanceof LabError && error.code === "timed_out") throw error;
    throw new LabError(
      "machine_failed",
      `${what} failed: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

async function* conversation(stream: Duplex): AsyncGenerator<z.infer<typeof reply>, undefined> {
  for await (const line of streamLines(stream)) yield reply.parse(JSON.parse(line));
}

async function say(
  stream: Duplex,
  replies: AsyncGenerator<z.infer<typeof reply>, undefined>,
  command: string,
  given?: Record<string, unknown>,
): Promise<unknown> {
  stream.write(`${JSON.stringify({ execute: command, ...(given ? { arguments: given } : {}) })}\n`);
  for (;;) {
    const { value, done } = await replies.next();
    if (done) throw new Error("QEMU hung up");
    if ("return" in value) return value.return;
    if ("error" in value) throw new Error(value.error.desc);
  }
}
