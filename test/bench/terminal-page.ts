import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Page } from "playwright-core";
import type { Place } from "../../sandboxes/place.ts";
import { createTerminalHub, type TerminalUse } from "../../server/terminal/terminal-hub.ts";
import { openBrowser } from "../e2e/support/browser.ts";
import { poll } from "../poll.ts";
import { serveTerminals } from "../support/terminal-server.ts";

/** How to open a login shell with a terminal in the same place without us, e.g. `ssh -tt -i KEY admin@VM`. */
export type PlainShell = readonly [string, ...string[]];

/** A browser with a terminal into a place, through everything a learner's keys go through. */
export interface TerminalPage extends AsyncDisposable {
  page: Page;
  use(): TerminalUse | undefined;
  /** Breaks its connection, as a network that goes away. */
  disconnect(): void;
  /** Types a command and waits for what it prints; `until` must not be in the command. */
  run(command: string, until: string): Promise<void>;
}

export async function openTerminalPage(place: Place): Promise<TerminalPage> {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(
    createTerminalHub({
      resolve: () => ({
        place: () => place,
        openConsole: () => Promise.reject(new Error("no console here")),
      }),
    }),
  );
  const server = stack.use(await serveTerminals(hub));
  const browser = stack.use(await openBrowser());
  const { page } = stack.use(await browser.visit());
  await page.goto(`${server.url}/?name=bench${Date.now() % 100_000}`);
  await listenNoMore(page);
  await page.locator('.terminal[data-state="open"]').waitFor({ timeout: 60_000 });
  await page.evaluate(() => {
    const seen = { text: "" };
    const decoder = new TextDecoder();
    window.socket.on("terminal:output", (_id, _offset, data) => {
      seen.text = (seen.text + decoder.decode(new Uint8Array(data).subarray(-2_000))).slice(-4_000);
    });
    window.seen = seen;
  });
  const owned = stack.move();
  return {
    page,
    use: () => hub.use()[0],
    disconnect: () => server.disconnectPages(),
    run: async (command, until) => {
      await page.evaluate((text) => window.handle?.runCommand(text), command);
      await page.waitForFunction((text) => window.seen?.text.includes(text), until, { timeout: 60_000 });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What Playwright 1 has no option for. */
interface Internals {
  _connection: {
    toImpl(page: Page): {
      delegate: { _mainFrameSession: { _client: { send(method: string): Promise<void> } } };
    };
  };
}

/**
 * Playwright has Chromium tell it of every message of every WebSocket, in base64, through the browser's main process
 * and this one, which is the lab server's here: a third of what a flood costs. No learner's browser is listened to.
 */
export async function listenNoMore(page: Page): Promise<void> {
  const { delegate } = (page as unknown as Internals)._connection.toImpl(page);
  await delegate._mainFrameSession._client.send("Network.disable");
}

/** A shell whose terminal is this process's pipes. */
export class PlainSession implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #data = new Set<(data: Buffer) => void>();
  text = "";

  constructor([file, ...args]: PlainShell) {
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout?.on("data", (data: Buffer) => {
      this.text = (this.text + data.toString("latin1")).slice(-4_000);
      for (const tell of this.#data) tell(data);
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Until the returned function is called. */
  onData(listener: (data: Buffer) => void): () => void {
    this.#data.add(listener);
    return () => this.#data.delete(listener);
  }

  async run(command: string, until: string): Promise<void> {
    this.type(`${command}\r`);
    await poll(() => this.text.includes(until), until, { timeoutMs: 60_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }
}
