import type { Place } from "../../sandboxes/place.ts";
import type { Measurement } from "./result.ts";
import { openTerminalPage } from "./terminal-page.ts";

/** From a page's loss of its socket until its screen shows what was printed meanwhile. */
export async function measureReconnect(place: Place, rounds = 20): Promise<Measurement[]> {
  await using terminal = await openTerminalPage(place);
  const { page } = terminal;
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // Printed while nobody is there: a page that shows it has taken up the output where it broke off.
    const printed = `back${round}-42`;
    await page.evaluate((text) => {
      window.reconnected = new Promise((resolve) => {
        window.socket.once("disconnect", () => {
          const begun = performance.now();
          const look = () => {
            const isOpen = document.querySelector('.terminal[data-state="open"]') !== null;
            if (isOpen && window.socket.connected && window.seen?.text.includes(text))
              resolve(performance.now() - begun);
            else requestAnimationFrame(look);
          };
          look();
        });
      });
    }, printed);
    await terminal.run(`echo go${round}-$((6*7)); sleep 0.1; echo back${round}-$((6*7))`, `go${round}-42`);
    terminal.disconnect();
    samples.push(await page.evaluate(() => window.reconnected ?? Number.NaN));
  }
  return [{ name: "reconnect", unit: "ms", samples }];
}
