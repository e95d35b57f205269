import headless from "@xterm/headless";
import { boundEmulator } from "../../server/protocol/bounded-emulator.ts";

/** Writes `again` so many times to a terminal as a page has it, then `last`, and prints its screen. */
const [again = "", times = "0", last = ""] = process.argv.slice(2);
const terminal = new headless.Terminal({ cols: 40, rows: 12, scrollback: 100, allowProposedApi: true });
boundEmulator(terminal);
const AT_ONCE = 4_000;
const write = (text: string) => new Promise<void>((resolve) => terminal.write(text, resolve));

for (let left = Number(times); left > 0; left -= AT_ONCE) await write(again.repeat(Math.min(left, AT_ONCE)));
await write(last);
const { active } = terminal.buffer;
const rows = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true));
process.stdout.write(rows.join("\n"));
