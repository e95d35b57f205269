import { type Logger, type LoggerOptions, pino } from "pino";
import { LabError } from "../../sandboxes/errors.ts";
import type { Settings } from "../settings.ts";

/** Whatever is logged, these never are. */
const SECRETS = ["cookie", "authorization", "token", "joinCode", "csrfToken", "kubeconfig", "sshPrivateKey"];

/** How lines look; the destination is the caller's. */
export const logOptions: LoggerOptions = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "***" },
  serializers: {
    err: (error: unknown) => {
      if (error instanceof LabError) {
        const { code, message, hint, cause } = error;
        // A stack says where we gave up; of what nobody foresaw it says where it happened.
        return { code, message, hint, ...(cause instanceof Error ? { cause: cause.stack } : {}) };
      }
      return error instanceof Error ? { message: error.message, stack: error.stack } : error;
    },
  },
};

/** JSON lines to standard output, for journald or a file. */
export function createLog(settings: Pick<Settings, "logLevel">): Logger {
  return pino({ ...logOptions, level: settings.logLevel });
}
