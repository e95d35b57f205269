import type { Page } from "playwright-core";
import type { Place } from "../../sandboxes/place.ts";
import { openBrowser } from "../e2e/support/browser.ts";
import { watchAcks } from "./flood.ts";
import { listenNoMore, openTerminalPage, PlainSession, type PlainShell } from "./terminal-page.ts";
import { startTtyd, type Ttyd } from "./ttyd.ts";

/** One way to have a large file printed. */
export interface ThroughputWay extends AsyncDisposable {
  /** Prints the file once; gives MB/s. */
  round(): Promise<number>;
}

const BYTES = 20_000_000;
/** What may still be under way when a page has acknowledged all it is asked to. */
const ALMOST_ALL = BYTES - 65_536;
const ROUND_MS = 300_000;
/** Asked seldom: Playwright would look at each frame, and a page that waits for frames gets them drawn. */
const LOOKS = { timeout: ROUND_MS, polling: 100 };
/** Twenty million bytes of lines as logs have them; `-opost` leaves them as they are, so that they can be counted. */
const PREPARE = `f=/dev/shm/bench-$$; yes "$(seq -s ' ' 1000 1015) some words of a log line" | head -c ${BYTES} > $f; stty -opost; echo made-$((6*7))`;
const SHOW = "sleep 0.5; cat $f";
const CLEAN_UP = "rm -f $f; echo gone-$((6*7))";

/** Through the lab server's terminals to xterm.js. */
export async function throughOurs(place: Place): Promise<ThroughputWay> {
  await using stack = new AsyncDisposableStack();
  const terminal = stack.use(await openTerminalPage(place));
  const { page } = terminal;
  await terminal.run(PREPARE, "made-42");
  await watchAcks(page);
  const owned = stack.move();
  return {
    async round() {
      await page.evaluate((command) => {
        window.flood?.begin();
        window.handle?.runCommand(command);
      }, SHOW);
      await page.waitForFunction((bytes) => (window.flood?.drawn() ?? 0) >= bytes, ALMOST_ALL, LOOKS);
      return await page.evaluate(() => window.flood?.rate() ?? 0);
    },
    async [Symbol.asyncDispose]() {
      await terminal.run(CLEAN_UP, "gone-42").finally(() => owned.disposeAsync());
    },
  };
}

/** Without a browser: what comes out of a command such as `ssh`. */
export async function throughPlain(shell: PlainShell): Promise<ThroughputWay> {
  await using stack = new AsyncDisposableStack();
  const plain = stack.use(new PlainSession(shell));
  await plain.run(PREPARE, "made-42");
  const owned = stack.move();
  let rounds = 0;
  return {
    async round() {
      const all = Promise.withResolvers<void>();
      let bytes = 0;
      let begun = 0;
      const stop = plain.onData((data) => {
        if (begun === 0 && data.length >= 1_024) begun = performance.now();
        if (begun > 0) bytes += data.length;
        if (bytes >= ALMOST_ALL) all.resolve();
      });
      plain.type(`${SHOW}\r`);
      await all.promise;
      const rate = bytes / 1_000 / (performance.now() - begun);
      stop();
      rounds += 1;
      await plain.run(`echo round${rounds}-$((6*7))`, `round${rounds}-42`);
      return rate;
    },
    async [Symbol.asyncDispose]() {
      await plain.run(CLEAN_UP, "gone-42").finally(() => owned.disposeAsync());
    },
  };
}

/** ttyd's own page, whose socket is listened to. */
export async function throughTtyd(ttyd: Ttyd, shell: PlainShell): Promise<ThroughputWay> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startTtyd(ttyd, shell));
  const browser = stack.use(await openBrowser());
  const { page } = stack.use(await browser.visit());
  await listenToTtyd(page);
  await page.goto(`http://127.0.0.1:${server.port}/`);
  await listenNoMore(page);
  const says = (text: string) =>
    page.waitForFunction((what) => window.received?.text.includes(what), text, { timeout: 60_000 });
  const type = (text: string) => page.evaluate((command) => window.typeTtyd?.(`${command}\r`), text);
  await page.waitForFunction(() => /[$#] $/.test(window.received?.text ?? ""), undefined, {
    timeout: 60_000,
  });
  await type(PREPARE);
  await says("made-42");
  const owned = stack.move();
  return {
    async round() {
      await page.evaluate(() => Object.assign(window.received ?? {}, { bytes: 0, begun: 0 }));
      await type(SHOW);
      await page.waitForFunction((bytes) => (window.received?.bytes ?? 0) >= bytes, ALMOST_ALL, LOOKS);
      return await page.evaluate(() => {
        const { bytes, begun, ended } = window.received ?? { bytes: 0, begun: 0, ended: 1 };
        return bytes / 1_000 / (ended - begun);
      });
    },
    async [Symbol.asyncDispose]() {
      const isGone = type(CLEAN_UP).then(() => says("gone-42"));
      await isGone.finally(() => owned.disposeAsync());
    },
  };
}

function listenToTtyd(page: Page): Promise<void> {
  return page
    .addInitScript(() => {
      const received = { bytes: 0, begun: 0, ended: 0, text: "" };
      window.received = received;
      const Original = window.WebSocket;
      window.WebSocket = class extends Original {
        constructor(url: string | URL, protocols?: string | string[]) {
          super(url, protocols);
          window.typeTtyd = (data) => this.send(new TextEncoder().encode(`0${data}`));
          this.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
            received.text = (received.text + new TextDecoder().decode(data.slice(-500))).slice(-2_000);
            if (received.begun === 0 && data.byteLength >= 1_024) received.begun = performance.now();
            if (received.begun > 0) received.bytes += data.byteLength - 1;
            received.ended = performance.now();
          });
        }
      };
    })
    .then(() => {});
}
