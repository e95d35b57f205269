import { Buffer } from "node:buffer";
import { Screen } from "../../server/terminal/screen.ts";

/** Draws `first`, then `again` so many times, and prints what a page would get, in a process that may fail at it. */
const [first = "", again = "", times = "0"] = process.argv.slice(2);
const screen = new Screen({ offset: 0, cols: 40, rows: 12 }, () => {});
const AT_ONCE = 4_000;

async function draw(text: string): Promise<void> {
  screen.write(Buffer.from(text));
  await new Promise<void>((resolve) => screen.whenDrawn(resolve));
}

await draw(first);
for (let left = Number(times); left > 0; left -= AT_ONCE) await draw(again.repeat(Math.min(left, AT_ONCE)));
process.stdout.write(screen.snapshot().text);
