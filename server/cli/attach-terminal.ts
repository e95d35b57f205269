import type { Buffer } from "node:buffer";
import { LabError } from "../../sandboxes/errors.ts";
import type { Place } from "../../sandboxes/place.ts";
import { openHolderLink } from "../../sandboxes/terminal/holder-link.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";

/** The terminal of whoever ran the command. */
export interface LocalTerminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };
  output: NodeJS.WritableStream & { columns?: number; rows?: number };
}

/**
 * Connects a terminal to the shell `name` in a place until that shell ends. Like those of the page it goes on when the
 * terminal is closed, and the next call comes back to it.
 * @returns the shell's exit status.
 * @throws LabError `terminal_failed` where the connection ends before the shell.
 */
export async function attachTerminal(place: Place, name: string, local: LocalTerminal): Promise<number> {
  const { input, output } = local;
  const size = () => ({ cols: output.columns || 80, rows: output.rows || 24 });
  const link = await openHolderLink(place, {
    name,
    ...size(),
    known: undefined,
    outbox: new InputOutbox(),
    signal: AbortSignal.timeout(60_000),
  });
  const over = Promise.withResolvers<number>();
  const type = (data: Buffer) => {
    input.pause();
    void link.input(data).then(() => input.resume());
  };
  const resize = () => link.resize(size().cols, size().rows);
  try {
    if (link.snapshot) output.write(link.snapshot.text);
    link.begin({
      output: (offset, data) => void output.write(data, () => link.ack(offset + data.length)),
      resized() {},
      exited: (status) => over.resolve(status < 0 ? 128 - status : status),
      lost: (reason) => over.reject(whyLost(reason)),
    });
    resize();
    input.setRawMode?.(true);
    input.on("data", type);
    output.on("resize", resize);
    return await over.promise;
  } finally {
    input.off("data", type);
    output.off("resize", resize);
    input.setRawMode?.(false);
    input.pause();
    link.close();
  }
}

function whyLost(cause: LabError): LabError {
  return new LabError("terminal_failed", `the shell is out of reach: ${cause.message}`, {
    hint: "it goes on unless its VM ended; run the command again to come back to it",
    cause,
  });
}
