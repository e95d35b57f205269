import { networkInterfaces } from "node:os";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { formatCidr, overlaps, parseCidr, piecesOf } from "../../sandboxes/network/cidr.ts";

/** Out of the way of sandboxes, so that a test never takes a running lab server's next network. */
const TEST_RANGE = { range: "10.211.64.0/20", piecePrefix: 28 };
/** At least as many as there are files of tests at a time. */
const LANES = 8;

/**
 * A subnet that neither a network of this Docker nor an interface of this host overlaps, as `10.211.64.0/28`. What a
 * killed run left behind is passed over. Files of tests that run at a time are given different ones.
 */
export async function freeSubnet(engine: Engine): Promise<string> {
  const networks = await engine.listNetworks({});
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const taken = [
    ...networks.map(({ subnet }) => subnet),
    ...interfaces.map(({ cidr }) => cidr ?? ""),
  ].flatMap((text) => parseCidr(text) ?? []);
  const lane = Number(process.env.VITEST_POOL_ID ?? 0) % LANES;
  const free = piecesOf(TEST_RANGE).find(
    (piece, at) => at % LANES === lane && !taken.some((other) => overlaps(piece, other)),
  );
  if (!free) throw new Error(`every subnet of ${TEST_RANGE.range} is in use; remove old networks`);
  return formatCidr(free);
}
