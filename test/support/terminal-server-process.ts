import { setInterval } from "node:timers";
import { createTerminalHub } from "../../server/terminal/terminal-hub.ts";
import { makeLocalPlace } from "./local-place.ts";
import { TestViewer } from "./terminal-viewer.ts";

// A lab server reduced to its terminals, to be killed: `node terminal-server-process.ts DIRECTORY COMMAND UNTIL`.
const [directory = "", command = "", until = ""] = process.argv.slice(2);
const place = await makeLocalPlace({ directory });
const hub = createTerminalHub({
  resolve: () => ({ place: () => place, openConsole: () => Promise.reject(new Error("no console here")) }),
});
const viewer = await TestViewer.open(hub);
await viewer.type(`${command}\r`);
await viewer.until(until, 60_000);
console.log(`${viewer.text}\nSEEN`);
setInterval(() => {}, 60_000);
