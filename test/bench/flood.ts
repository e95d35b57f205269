import type { Page } from "playwright-core";
import type { Place } from "../../sandboxes/place.ts";
import type { Measurement } from "./result.ts";
import { openTerminalPage, type TerminalPage } from "./terminal-page.ts";

const FLOOD_BYTES = 2_000_000;
const ROUND_MS = 300_000;

/** From Ctrl-C in a flood until the prompt is back on the page, and the most the server holds meanwhile. */
export async function measureFlood(place: Place, rounds = 10): Promise<Measurement[]> {
  await using terminal = await openTerminalPage(place);
  await watchAcks(terminal.page);
  await terminal.run("PS1='prompt''> '; echo set-$((6*7))", "set-42");
  const interrupts: number[] = [];
  const buffered: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    let highest = 0;
    const watch = setInterval(() => {
      highest = Math.max(highest, terminal.use()?.bufferedBytes ?? 0);
    }, 1);
    interrupts.push(await interruptOnce(terminal).finally(() => clearInterval(watch)));
    buffered.push(highest / 1024 ** 2);
  }
  return [
    { name: "flood_interrupted", unit: "ms", samples: interrupts },
    { name: "flood_buffered", unit: "MiB", samples: buffered },
  ];
}

async function interruptOnce({ page }: TerminalPage): Promise<number> {
  await page.evaluate(() => {
    window.flood?.begin();
    window.handle?.runCommand("yes");
  });
  await page.waitForFunction((bytes) => (window.flood?.drawn() ?? 0) > bytes, FLOOD_BYTES, {
    timeout: ROUND_MS,
  });
  return await page.evaluate(async () => {
    const prompt = Promise.withResolvers<void>();
    const look = (_id: string, _offset: number, data: Uint8Array) => {
      if (new TextDecoder().decode(new Uint8Array(data).subarray(-200)).includes("prompt> "))
        prompt.resolve();
    };
    window.socket.on("terminal:output", look);
    const begun = performance.now();
    window.handle?.type("\x03");
    await prompt.promise;
    window.socket.off("terminal:output", look);
    return performance.now() - begun;
  });
}

/** The page's acknowledgements say what xterm.js has drawn, and when. */
export function watchAcks(page: Page): Promise<void> {
  return page.evaluate(() => {
    let from = 0;
    let last = 0;
    let begun = 0;
    let ended = 0;
    const emit = window.socket.emit.bind(window.socket);
    window.socket.on("terminal:output", (_id, offset, data) => {
      // The command's own echo comes before the pause that ends with the first large piece.
      if (begun > 0 || data.byteLength < 4_096) return;
      from = offset;
      begun = performance.now();
    });
    window.socket.emit = ((event: "terminal:ack", body: { terminalId: string; offset: number }) => {
      if (event === "terminal:ack") {
        last = body.offset;
        ended = performance.now();
      }
      return emit(event, body);
    }) as typeof window.socket.emit;
    window.flood = {
      begin: () => {
        begun = 0;
      },
      drawn: () => (begun > 0 ? last - from : 0),
      rate: () => (last - from) / 1_000 / (ended - begun),
    };
  });
}
