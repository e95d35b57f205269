import { randomBytes } from "node:crypto";
import { LabError } from "../errors.ts";
import { makeSshKeys } from "./ssh-keys.ts";
import type { SshPlace } from "./ssh-place.ts";

/** A few processes; under emulation, beside others that do the same. */
const TIMEOUT_MS = 120_000;

/**
 * What was read while the template was saved is read again by every copy: the time, the host's key, the machine's id.
 * The kernel has reseeded its random numbers by itself when it saw the new generation id; a few more bytes do no harm.
 * journald goes on in the folder of the id it began with, where nobody with the new id would look. sshd reads its new
 * key at SIGHUP and keeps the connection this comes by.
 */
const SCRIPT = `set -e
date --utc --set="@$1" >/dev/null
printf %s "$2" | base64 -d >/dev/urandom
ln -s "$(cat /etc/machine-id)" "/var/log/journal/$3"
printf '%s\\n' "$3" >/etc/machine-id
umask 077
cat >/etc/ssh/ssh_host_ed25519_key
umask 022
printf '%s\\n' "$4" >/etc/ssh/ssh_host_ed25519_key.pub
kill -HUP "$(cat /run/sshd.pid)"
`;

/**
 * Makes a copy of a template a machine of its own. Nobody may be let in before.
 * @throws LabError `machine_failed`, `timed_out`, `aborted`
 */
export async function becomeOneself(place: SshPlace, signal: AbortSignal): Promise<void> {
  // Logging in takes its time under emulation, and the clock is to be told what it is then.
  await place.login("root");
  const hostKey = makeSshKeys("root@machine");
  const seed = randomBytes(64).toString("base64");
  const machineId = randomBytes(16).toString("hex");
  const now = (Date.now() / 1000).toFixed(3);
  const { exitCode, stderr } = await place.exec(
    ["sh", "-c", SCRIPT, "sh", now, seed, machineId, hostKey.public],
    { timeoutMs: TIMEOUT_MS, signal, user: "root", input: hostKey.private },
  );
  if (exitCode !== 0)
    throw new LabError(
      "machine_failed",
      `the copy could not be made a machine of its own: ${stderr.trim()}`,
      { hint: "`vmTemplate: false` has every VM boot" },
    );
}
