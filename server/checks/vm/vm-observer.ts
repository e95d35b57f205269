import { randomBytes } from "node:crypto";
import { LabError } from "../../../sandboxes/errors.ts";
import type { Place } from "../../../sandboxes/place.ts";
import { shellQuote } from "../../../sandboxes/run.ts";

/** What a command in the VM printed and how it ended. */
export interface Observation {
  exitCode: number;
  stdout: string;
}

/** Looks at the VM from within, as root. */
export interface VmObserver {
  /**
   * Runs a command by its absolute path. Those asked for in the same turn of the event loop go into the VM together,
   * the same one once.
   * @throws LabError when the VM can't be reached or the command takes too long or prints more than 1 MiB, or all of
   * them together more than 4 MiB.
   */
  observe(argv: readonly [string, ...string[]], input?: string): Promise<Observation>;
}

interface Pending {
  argv: readonly [string, ...string[]];
  input: string | undefined;
  promise: Promise<Observation>;
  resolve(observation: Observation): void;
  reject(error: unknown): void;
}

/** How `timeout` ends a command that hangs, e.g. on a dead mount: by TERM, or by KILL where that is not enough. */
const TIMED_OUT: readonly number[] = [124, 137];
const COMMAND_SECONDS = 25;
const TRIP_MS = 60_000;
/** What verifiers ask for are a few lines each; more is something else in a command's place. */
const OUTPUT_CHARACTERS = 1024 * 1024;
const TRIP_BYTES = 4 * 1024 * 1024;

/**
 * Every verdict brings its own verifier: one small script on the standard input of a shell with a clean environment.
 * Nothing of the learner's home or PATH is used.
 */
export function createVmObserver(place: () => Place | undefined): VmObserver {
  let batch: Pending[] = [];

  async function send(): Promise<void> {
    const sent = batch;
    batch = [];
    try {
      const target = place();
      if (!target) throw new LabError("check_errored", "the VM is not there yet");
      const nonce = randomBytes(8).toString("hex");
      const result = await target.exec(["/usr/bin/env", "-i", "/bin/sh", "-s"], {
        user: "root",
        timeoutMs: TRIP_MS,
        maxOutputBytes: TRIP_BYTES,
        input: verifierScript(sent, nonce),
      });
      const observations = readObservations(result.stdout, nonce);
      for (const [index, one] of sent.entries()) {
        const observation = observations[index];
        if (!observation)
          one.reject(new LabError("check_errored", "the VM's answer broke off before its end"));
        else if (observation.stdout.length > OUTPUT_CHARACTERS)
          one.reject(
            new LabError(
              "check_errored",
              `\`${one.argv[0]}\` printed more in the VM than any verifier asks for`,
            ),
          );
        else if (TIMED_OUT.includes(observation.exitCode))
          one.reject(
            new LabError("timed_out", `\`${one.argv[0]}\` did not end within ${COMMAND_SECONDS} s in the VM`),
          );
        else one.resolve(observation);
      }
    } catch (error) {
      for (const one of sent) one.reject(error);
    }
  }

  return {
    observe(argv, input) {
      const same = batch.find((one) => one.input === input && shellQuote(one.argv) === shellQuote(argv));
      if (same) return same.promise;
      const { promise, resolve, reject } = Promise.withResolvers<Observation>();
      batch.push({ argv, input, promise, resolve, reject });
      if (batch.length === 1) setImmediate(() => void send());
      return promise;
    },
  };
}

/** Marks begin and end with a nonce, so that nothing the VM prints can pass for one. */
export function verifierScript(
  commands: readonly { argv: readonly string[]; input?: string | undefined }[],
  nonce: string,
): string {
  const lines = [
    "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C",
    ...commands.map(({ argv, input }) => {
      const command = `/usr/bin/timeout -k 1 ${COMMAND_SECONDS} ${shellQuote(argv)} 2>&1`;
      const feed = input === undefined ? "</dev/null" : `<<'END-${nonce}'\n${input}\nEND-${nonce}`;
      return `${command} ${feed}\nprintf '\\n%s %d;\\n' ${nonce} $?`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** The counterpart: one observation per mark that arrived. */
export function readObservations(stdout: string, nonce: string): Observation[] {
  const observations: Observation[] = [];
  const mark = new RegExp(`\\n${nonce} (\\d+);\\n?`, "g");
  let from = 0;
  for (const match of stdout.matchAll(mark)) {
    observations.push({ stdout: stdout.slice(from, match.index), exitCode: Number(match[1]) });
    from = match.index + match[0].length;
  }
  return observations;
}
