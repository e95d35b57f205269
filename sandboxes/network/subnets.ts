import type { Engine } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { bridgeName } from "./bridges.ts";
import { formatCidr, type NetworkRange, overlaps, parseCidr, piecesOf } from "./cidr.ts";

export interface SandboxNetwork {
  /** `fb-<id>` */
  name: string;
  subnet: string;
  bridge: string;
}

export interface NetworkRequest extends NetworkRange {
  sandboxId: string;
  installation: string;
  /** Whether this sandbox may open connections to the outside. */
  egress: boolean;
  labels: Record<string, string>;
}

export const networkName = (sandboxId: string): string => `fb-${sandboxId}`;

/**
 * Makes the network of one sandbox from the first free piece of the range. What is free is what no network at this
 * Docker overlaps now: nothing is stored, and two lab servers at one Docker get along, because Docker itself refuses
 * the slower one, which then takes the next piece.
 * @throws LabError `no_room` when the range is used up, `conflict` when the sandbox has its network already
 */
export async function createSandboxNetwork(
  deps: { engine: Engine },
  request: NetworkRequest,
): Promise<SandboxNetwork> {
  const { engine } = deps;
  const pieces = piecesOf(request);
  const name = networkName(request.sandboxId);
  const refused = new Set<number>();
  for (;;) {
    const networks = await engine.listNetworks({});
    if (networks.some((network) => network.name === name))
      throw new LabError("conflict", `network \`${name}\` exists already`);
    const taken = networks.map((network) => parseCidr(network.subnet)).filter((cidr) => cidr !== undefined);
    const index = pieces.findIndex(
      (piece, at) => !refused.has(at) && !taken.some((other) => overlaps(piece, other)),
    );
    const piece = pieces[index];
    if (!piece)
      throw new LabError("no_room", `every network of \`${request.range}\` is in use`, {
        hint: "end sandboxes nobody needs, or configure a larger range",
      });
    const bridge = bridgeName(request.installation, index, request.egress);
    try {
      await engine.createNetwork({ name, subnet: formatCidr(piece), labels: request.labels, bridge });
      return { name, subnet: formatCidr(piece), bridge };
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "conflict") throw error;
      // Somebody was faster with this piece (or a route of the host covers it): never ask for it again here.
      refused.add(index);
    }
  }
}
