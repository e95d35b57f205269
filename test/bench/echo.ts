import { setTimeout as delay } from "node:timers/promises";
import type { Page } from "playwright-core";
import type { Place } from "../../sandboxes/place.ts";
import type { Measurement } from "./result.ts";
import { openTerminalPage, PlainSession, type PlainShell } from "./terminal-page.ts";
import { startTtyd, type Ttyd } from "./ttyd.ts";

export interface EchoOptions {
  place: Place;
  plainShell: PlainShell;
  /** Keys measured of each. */
  keys?: number;
  ttyd: Ttyd | undefined;
}

/** Keys in a row before the others get their turn, so that a busy moment of the host hits all of them. */
const TURN_KEYS = 20;
const PAUSE_MS = 15;
/** The terminal echoes, the program keeps quiet: what is measured is the way there and back. */
const QUIET = "stty echo; echo quiet-$((6*7)); cat > /dev/null";

/**
 * From a key in a real browser until its echo is back there, beside a plain `ssh` into the same place. `echo_added` is
 * ours less ssh's by sorted ranks: both lists are sorted, and of our fastest echo ssh's fastest is taken, of our second
 * ssh's second, and so on; a busy host is slow for both, but not with the same key. Against it ttyd's, taken alike.
 */
export async function measureEcho({
  place,
  plainShell,
  keys = 200,
  ttyd,
}: EchoOptions): Promise<Measurement[]> {
  await using ours = await openTerminalPage(place);
  await using plain = new PlainSession(plainShell);
  await using other = ttyd && (await startTtyd(ttyd, plainShell));
  await ours.run(QUIET, "quiet-42");
  await plain.run(QUIET, "quiet-42");
  if (other) await openTtyd(ours.page, other.port);
  const samples = { ours: [] as number[], ssh: [] as number[], ttyd: [] as number[] };
  while (samples.ours.length < keys) {
    samples.ours.push(...(await turn(ours.page, "ours")));
    samples.ssh.push(...(await plainTurn(plain)));
    if (other) samples.ttyd.push(...(await turn(ours.page, "ttyd")));
  }
  const ssh = { name: "plain ssh", samples: samples.ssh };
  const added = (list: number[]) => sorted(list).map((ms, rank) => ms - (sorted(samples.ssh)[rank] ?? 0));
  return [
    {
      name: "echo_added",
      unit: "ms",
      samples: added(samples.ours),
      ...(other ? { against: { name: "ttyd", samples: added(samples.ttyd) } } : {}),
    },
    { name: "echo", unit: "ms", samples: samples.ours, against: ssh },
  ];
}

function sorted(list: readonly number[]): number[] {
  return list.toSorted((a, b) => a - b);
}

/** A WebSocket to ttyd in the same browser, in the way of its own page. */
async function openTtyd(page: Page, port: number): Promise<void> {
  await page.evaluate(
    async ({ url, quiet }) => {
      const socket = new WebSocket(url, ["tty"]);
      socket.binaryType = "arraybuffer";
      let text = "";
      const type = (data: string) => socket.send(new TextEncoder().encode(`0${data}`));
      const waiting = Promise.withResolvers<void>();
      socket.onopen = () => socket.send(JSON.stringify({ AuthToken: "", columns: 80, rows: 24 }));
      socket.onmessage = ({ data }) => {
        const bytes = new Uint8Array(data as ArrayBuffer);
        if (bytes[0] !== 48) return;
        text += new TextDecoder().decode(bytes.subarray(1));
        if (/[$#] $/.test(text)) type(`${quiet}\r`);
        if (text.includes("quiet-42")) waiting.resolve();
        window.onTtyd?.();
      };
      window.typeTtyd = type;
      await waiting.promise;
    },
    { url: `ws://127.0.0.1:${port}/ws`, quiet: QUIET },
  );
}

/** One key after the other, each when the last is back and a pause is over. */
function turn(page: Page, which: "ours" | "ttyd"): Promise<number[]> {
  return page.evaluate(
    async ({ count, pauseMs, which }) => {
      const samples: number[] = [];
      for (let key = 0; key < count; key += 1) {
        const echo = Promise.withResolvers<void>();
        if (which === "ours") window.socket.once("terminal:output", () => echo.resolve());
        else window.onTtyd = () => echo.resolve();
        const begun = performance.now();
        if (which === "ours") window.handle?.type("x");
        else window.typeTtyd?.("x");
        await echo.promise;
        samples.push(performance.now() - begun);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
      return samples;
    },
    { count: TURN_KEYS, pauseMs: PAUSE_MS, which },
  );
}

async function plainTurn(plain: PlainSession): Promise<number[]> {
  const samples: number[] = [];
  for (let key = 0; key < TURN_KEYS; key += 1) {
    const echo = Promise.withResolvers<void>();
    const stop = plain.onData(() => echo.resolve());
    const begun = performance.now();
    plain.type("x");
    await echo.promise;
    samples.push(performance.now() - begun);
    stop();
    await delay(PAUSE_MS);
  }
  return samples;
}
