import { isIPv4 } from "node:net";
import { LabError } from "../errors.ts";

/** A block of IPv4 addresses: the first one as a number, and the length of the prefix. */
export interface Cidr {
  first: number;
  prefix: number;
}

const sizeOf = (prefix: number) => 2 ** (32 - prefix);

/** `10.88.0.0/26` as numbers; `undefined` for anything else (IPv6, an empty subnet of Docker's `none`). */
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, rest] = text.split("/");
  const prefix = Number(length);
  if (address === undefined || rest !== undefined || !isIPv4(address)) return undefined;
  if (!/^\d{1,2}$/.test(length ?? "") || prefix > 32) return undefined;
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { first: value - (value % sizeOf(prefix)), prefix };
}

export function formatCidr({ first, prefix }: Cidr): string {
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")}/${prefix}`;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.first < b.first + sizeOf(b.prefix) && b.first < a.first + sizeOf(a.prefix);
}

/** How sandbox networks are cut out of one range. */
export interface NetworkRange {
  /** e.g. `10.88.0.0/16`. */
  range: string;
  /** Prefix length of one sandbox's network, e.g. 26. */
  piecePrefix: number;
}

/** 1024 networks of 62 addresses: a VM, a toolbox and any sensible number of nodes fit. */
export const DEFAULT_RANGE: NetworkRange = { range: "10.88.0.0/16", piecePrefix: 26 };

/** More pieces than one host ever runs; bounds the size of the firewall's set. */
const MOST_PIECES = 4096;

/**
 * The blocks of a range, in order; a network's place in this list is its index.
 * @throws LabError `bad_settings`
 */
export function piecesOf({ range, piecePrefix }: NetworkRange): Cidr[] {
  const whole = parseCidr(range);
  if (!whole)
    throw new LabError("bad_settings", `\`${range}\` is no IPv4 range`, {
      hint: "write it as `10.88.0.0/16`",
    });
  const count = 2 ** (piecePrefix - whole.prefix);
  // A /29 holds the gateway and five containers, the least a sandbox with two nodes needs.
  if (!Number.isInteger(piecePrefix) || piecePrefix > 29 || count < 1 || count > MOST_PIECES)
    throw new LabError("bad_settings", `range \`${range}\` can't be cut into /${piecePrefix} networks`, {
      hint: `take a piece prefix of at most 29 that gives 1 to ${MOST_PIECES} networks`,
    });
  return Array.from({ length: count }, (_, index) => ({
    first: whole.first + index * sizeOf(piecePrefix),
    prefix: piecePrefix,
  }));
}
