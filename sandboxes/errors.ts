/** Every way Footbridge can fail in front of somebody. One table maps each code to an HTTP status. */
export const errorCodes = [
  "bad_request",
  "bad_settings",
  "not_signed_in",
  "forbidden",
  "not_found",
  "conflict",
  "too_many_requests",
  "too_many_pages",
  "no_room",
  "not_supported",
  "docker_unavailable",
  "image_failed",
  "command_failed",
  "timed_out",
  "aborted",
  "machine_failed",
  "cluster_failed",
  "terminal_failed",
  "lab_invalid",
  "check_errored",
  "disk_full",
  "internal",
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/**
 * The one error class. `message` is lower case, names in backquotes, never a secret; `hint` is the next step
 * for whoever reads it.
 */
export class LabError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LabError";
    this.code = code;
    this.hint = options.hint;
  }

  /** Message and hint in one line, as logs and the CLI print them. */
  override toString(): string {
    return this.hint ? `${this.message} (hint: ${this.hint})` : this.message;
  }
}

/** Turns anything thrown into a `LabError`, so that edges handle one shape. */
export function toLabError(error: unknown): LabError {
  if (error instanceof LabError) return error;
  // What went wrong first, where the clean-up failed as well.
  if (error instanceof SuppressedError) return toLabError(error.suppressed);
  const message = error instanceof Error ? error.message : String(error);
  return new LabError("internal", message, { cause: error });
}
