import { type ErrorCode, LabError } from "../errors.ts";

const unreachable =
  /ECONNREFUSED|ENOENT|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EACCES|EHOSTUNREACH|socket hang up/;

/** HTTP status of a failed Docker call, where there was an answer at all. */
export function dockerStatus(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" ? status : undefined;
}

/**
 * Docker's failure as a `LabError`.
 * @param what the attempt, in infinitive: "create container `fb-7f-machine`".
 */
export function toEngineError(error: unknown, what: string): LabError {
  if (error instanceof LabError) return error;
  const status = dockerStatus(error);
  const answer = (error as { json?: { message?: unknown } } | null)?.json?.message;
  const text = typeof answer === "string" ? answer : error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  const said = text.trim().replace(/\n+/g, "; ");
  const fail = (as: ErrorCode, hint?: string) =>
    new LabError(as, `could not ${what}: ${said}`, { cause: error, ...(hint ? { hint } : {}) });

  if (/no space left on device|disk quota exceeded/i.test(text))
    return fail("disk_full", "free disk space where Docker keeps its data, e.g. `docker system df`");
  if (status === undefined && unreachable.test(`${String(code)} ${text}`))
    return fail("docker_unavailable", "is Docker running, and may this user reach it? try `docker info`");
  if (status === 404 && /no such image/i.test(text))
    return fail("not_found", "`footbridge images` shows which images are there");
  if (status === 404) return fail("not_found");
  if (
    status === 409 ||
    /already exists|overlaps|already in use|is not running|has active endpoints/i.test(text)
  )
    return fail("conflict");
  if (status === 400) return fail("bad_request");
  return fail("internal");
}

/**
 * Waits for a Docker call at most `timeoutMs` and turns whatever goes wrong into a `LabError`.
 * What was asked can't be taken back: Docker may still do it.
 * @param call gets a signal that aborts at the deadline, for Dockerode to hang up: it would collect the answer for ever.
 */
export async function dockerCall<T>(
  what: string,
  timeoutMs: number,
  call: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stop = new AbortController();
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new LabError("timed_out", `could not ${what}: Docker gave no answer within ${timeoutMs / 1000} s`, {
          hint: "the host may be overloaded; see Docker's own log",
        }),
      );
      stop.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([call(stop.signal), deadline]);
  } catch (error) {
    throw toEngineError(error, what);
  } finally {
    clearTimeout(timer);
  }
}
