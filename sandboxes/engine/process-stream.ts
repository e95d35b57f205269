import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { LabError } from "../errors.ts";
import type { ExecOptions } from "./engine.ts";

/** A process somewhere else: writes go to its stdin, reads come from its stdout; destroying kills it. */
export interface ProcessStream extends Duplex {
  readonly stderr: string;
  /** Known once the stream has ended. */
  readonly exitCode: number | undefined;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Starts a process, feeds it and waits for its end. Passing the deadline or an abort kills it, even when it is only
 * being started.
 * @param title what to call it in messages: "`id` in `fb-7f-machine`".
 * @throws LabError `timed_out`, `aborted`, `command_failed` for more output than `maxOutputBytes`, and whatever `open` throws.
 */
export async function runProcess(
  title: string,
  open: () => Promise<ProcessStream>,
  options: Pick<ExecOptions, "timeoutMs" | "signal" | "input" | "maxOutputBytes">,
): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const { maxOutputBytes = MAX_OUTPUT_BYTES } = options;
  const failure = Promise.withResolvers<never>();
  // Nobody waits for it when all goes well.
  failure.promise.catch(() => {});
  let stream: ProcessStream | undefined;
  const fail = (error: LabError) => {
    failure.reject(error);
    stream?.destroy(error);
  };
  const onAbort = () => fail(new LabError("aborted", `${title} was interrupted`));
  if (options.signal?.aborted) throw new LabError("aborted", `${title} was interrupted`);
  const timer = setTimeout(
    () => fail(new LabError("timed_out", `${title} did not end within ${options.timeoutMs / 1000} s`)),
    options.timeoutMs,
  );
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const opening = open();
    stream = await Promise.race([opening, failure.promise]).catch((error: unknown) => {
      opening.then(
        (late) => late.destroy(),
        () => {},
      );
      throw error;
    });
    stream.end(options.input ?? "");
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxOutputBytes)
        throw new LabError("command_failed", `${title} printed more than ${maxOutputBytes} bytes`);
      chunks.push(chunk);
    }
    return { exitCode: stream.exitCode ?? -1, stdout: Buffer.concat(chunks), stderr: stream.stderr };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}
