import headless from "@xterm/headless";
import type { TerminalHub } from "../../server/terminal/hub.ts";
import {
  createTerminalHub,
  type TerminalHubDeps,
  type TerminalTarget,
  type TerminalUse,
} from "../../server/terminal/terminal-hub.ts";
import { type LocalPlace, makeLocalPlace } from "./local-place.ts";
import { TestViewer, type TestViewerOptions } from "./terminal-viewer.ts";

/** A hub whose only sandbox is this host. */
export interface LocalHub extends AsyncDisposable {
  readonly hub: TerminalHub & { use(): TerminalUse[] };
  readonly place: LocalPlace;
  /** What the hub finds of the sandbox; `undefined` is one that is gone. */
  target: TerminalTarget | undefined;
  open(options?: TestViewerOptions): Promise<TestViewer>;
}

/** @param change how long the hub waits, where it matters. */
export async function makeLocalHub(change: Partial<TerminalHubDeps> = {}): Promise<LocalHub> {
  const place = await makeLocalPlace();
  const hub = createTerminalHub({ resolve: () => local.target, writerStallMs: 1_000, ...change });
  const local: LocalHub = {
    hub,
    place,
    target: { place: () => place, openConsole: () => Promise.reject(new Error("no console here")) },
    open: (options) => TestViewer.open(hub, options),
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
  return local;
}

/** What a page shows that was given this. */
export async function screenText(...writes: (string | Uint8Array)[]): Promise<string[]> {
  const terminal = new headless.Terminal({ cols: 80, rows: 24, scrollback: 10_000, allowProposedApi: true });
  for (const data of writes) await new Promise<void>((resolve) => terminal.write(data, resolve));
  const { active } = terminal.buffer;
  return Array.from(
    { length: active.length },
    (_, row) => active.getLine(row)?.translateToString(true) ?? "",
  );
}
