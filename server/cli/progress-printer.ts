import type { WriteStream } from "node:tty";
import type { ProgressEvent, Report } from "../../sandboxes/progress.ts";

const QUIET_MS = 10_000;

/**
 * Prints progress for a person: on a terminal the running step's line is rewritten in place, elsewhere (a log, CI) each
 * step tells its start and end and, when it takes long, how far it is every ten seconds.
 */
export function createProgressPrinter(out: Pick<WriteStream, "write" | "isTTY" | "columns">): Report {
  const startedAt = new Map<string, number>();
  let lastLineAt = 0;
  let hasOpenLine = false;

  const line = (text: string, stays: boolean) => {
    const cut = out.isTTY ? text.slice(0, (out.columns ?? 100) - 1) : text;
    if (out.isTTY) out.write(`\r\u001b[2K${cut}${stays ? "\n" : ""}`);
    else out.write(`${cut}\n`);
    hasOpenLine = Boolean(out.isTTY) && !stays;
    lastLineAt = Date.now();
  };

  return (event: ProgressEvent) => {
    if (event.state === "started") startedAt.set(event.step, Date.now());
    const seconds = Math.round((Date.now() - (startedAt.get(event.step) ?? Date.now())) / 1000);
    const isOver = event.state === "done" || event.state === "failed";
    if (event.state === "progress" && !out.isTTY && Date.now() - lastLineAt < QUIET_MS) return;
    if (isOver && hasOpenLine) out.write("\r\u001b[2K");
    line(describe(event, seconds), isOver || !out.isTTY);
  };
}

function describe(event: ProgressEvent, seconds: number): string {
  const mark = { started: "…", progress: "…", done: "✓", failed: "✗" }[event.state];
  const percent = event.fraction === undefined ? "" : ` ${Math.floor(event.fraction * 100)} %`;
  const took = seconds > 0 ? ` (${seconds} s)` : "";
  const message = event.message ? `: ${event.message.trim().split("\n").at(-1)}` : "";
  return `${mark} ${event.step}${percent}${took}${message}`;
}
