import type { Duplex } from "node:stream";
import type { Engine } from "../engine/engine.ts";
import { PATHS } from "./names.ts";

// Typing goes through the pipe that QEMU reads, so any number of people may look and type. When they hang up, or the
// server that holds the line dies, `cat` ends, and takes `tail` with it.
const visit = 'tail -c "$3" -s 0.2 -f "$1" & tail=$!; cat >"$2"; kill "$tail"';

/**
 * The serial console as one stream: what it has printed, then live; writing types.
 * @param from where to begin: `newest` so many bytes before now, or `offset` bytes since the machine was made.
 */
export async function openConsole(
  deps: { engine: Engine; container: string },
  from: { newest: number } | { offset: number },
): Promise<Duplex> {
  // tail counts from 1.
  const start = "newest" in from ? String(from.newest) : `+${from.offset + 1}`;
  return await deps.engine.stream(deps.container, [
    ...["sh", "-c", visit, "sh"],
    ...[PATHS.console, PATHS.consoleInput, start],
  ]);
}

/** The last three lines that the console has printed, without what steers a terminal. */
export async function lastPrinted(deps: { engine: Engine; container: string }): Promise<string> {
  const { stdout } = await deps.engine.exec(deps.container, ["tail", "-c", "2000", PATHS.console], {
    timeoutMs: 20_000,
  });
  const lines = stdout.replaceAll(steering, "").split("\n");
  return lines
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(-3)
    .join(" / ");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are steered by them.
const steering = /\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]/g;

/** What a line of a boot says, e.g. `Started ssh.service`; undefined where it says nothing worth telling. */
export function bootMessage(printed: string): string | undefined {
  const line = printed.replaceAll(steering, "");
  const unit = /^\s*\[\s*(?:OK|FAILED|WARN)\s*\]\s*(.+?)\.?\s*$/.exec(line)?.[1];
  return unit ?? /^\[\s*\d+\.\d+\]\s*(?:systemd\[1\]: )?(.+?)\s*$/.exec(line)?.[1];
}
