import { readFile } from "node:fs/promises";
import { isSandboxBridge } from "../network/bridges.ts";
import { type Cidr, formatCidr, overlaps, parseCidr } from "../network/cidr.ts";

/** A network this host reaches, and by which interface. */
export interface Route {
  interface: string;
  cidr: Cidr;
}

/** The host's IPv4 routes without the default one and those of sandboxes; none where there is no such file. */
export async function readRoutes(file = "/proc/net/route"): Promise<Route[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [name, destination, , , , , , mask] = line.split("\t");
      if (!name || !destination || !mask) return [];
      const cidr = { first: hostOrder(destination), prefix: prefixOf(hostOrder(mask)) };
      return cidr.prefix === 0 || isSandboxBridge(name) ? [] : [{ interface: name, cidr }];
    });
}

/** The routes a range of ours shares addresses with, in words: "10.88.0.0/16 (podman0)". */
export function overlappingRoutes(routes: readonly Route[], range: string): string[] {
  const ours = parseCidr(range);
  if (!ours) return [];
  return routes
    .filter(({ cidr }) => overlaps(cidr, ours))
    .map((route) => `${formatCidr(route.cidr)} (${route.interface})`);
}

/** The kernel writes an address as the number it is in memory: on a PC the first octet is the last. */
function hostOrder(hex: string): number {
  return Buffer.from(hex, "hex").readUInt32LE(0);
}

function prefixOf(mask: number): number {
  return mask.toString(2).replaceAll("0", "").length;
}
