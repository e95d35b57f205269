import type { Place } from "../../sandboxes/place.ts";
import type { Measurement } from "./result.ts";
import type { PlainShell } from "./terminal-page.ts";
import { throughOurs, throughPlain, throughTtyd } from "./throughput-ways.ts";
import type { Ttyd } from "./ttyd.ts";

export interface ThroughputOptions {
  /** Name of the row. */
  name: string;
  place: Place;
  /** A way into the same place without us that needs no terminal of its own, such as `ssh -tt`. */
  plainShell?: PlainShell;
  /** ttyd with the shell it runs. */
  ttyd?: { ttyd: Ttyd; shell: PlainShell } | undefined;
  rounds?: number;
}

/**
 * Bytes that a program prints, per second, until a real browser has them on its screen, as xterm.js acknowledges them.
 * Beside it plain ssh, whose output nobody draws, and ttyd's own page until it has received all, in turn.
 */
export async function measureThroughput(options: ThroughputOptions): Promise<Measurement[]> {
  const { name, place, plainShell, ttyd, rounds = 5 } = options;
  await using ours = await throughOurs(place);
  await using plain = plainShell && (await throughPlain(plainShell));
  await using other = ttyd && (await throughTtyd(ttyd.ttyd, ttyd.shell));
  const rates = { ours: [] as number[], plain: [] as number[], ttyd: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    rates.ours.push(await ours.round());
    if (plain) rates.plain.push(await plain.round());
    if (other) rates.ttyd.push(await other.round());
  }
  const against = [
    ...(plain ? [{ suffix: "", name: "plain ssh", samples: rates.plain }] : []),
    ...(other ? [{ suffix: plain ? "_beside_ttyd" : "", name: "ttyd", samples: rates.ttyd }] : []),
  ];
  const row = { name, unit: "MB/s" as const, samples: rates.ours };
  if (against.length === 0) return [row];
  return against.map(({ suffix, ...them }) => ({ ...row, name: name + suffix, against: them }));
}
