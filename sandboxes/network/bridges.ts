import { createHash } from "node:crypto";

/**
 * Names of the host's bridge interfaces, by which the firewall knows sandboxes without any state: who made it, whether
 * it may reach the outside, which piece of the range it is. A Linux interface name has at most 15 characters; these
 * have at most 11.
 */

/** Six characters that no other installation at the same Docker shares. */
export function bridgePrefix(installation: string): string {
  return `fb${createHash("sha256").update(installation).digest("hex").slice(0, 4)}`;
}

/** Whether an interface of the host is a sandbox's bridge, of whichever installation. */
export function isSandboxBridge(name: string): boolean {
  return /^fb[0-9a-f]{4}[ne]\d+$/.test(name);
}

/** e.g. `fb1a2bn17`; `n` for no way out, `e` for egress. */
export function bridgeName(installation: string, index: number, egress: boolean): string {
  return `${bridgePrefix(installation)}${egress ? "e" : "n"}${index}`;
}
