import { openBrowser, type PageLooks, seen, type Visitor } from "./browser.ts";
import { attempt, labs, learner, room } from "./sample-views.ts";
import { type ScriptedServer, startScriptedServer } from "./scripted-server.ts";

/** The scripted server and a browser to look at its pages. */
export interface ScriptedPages extends AsyncDisposable {
  readonly server: ScriptedServer;
  /** A new visitor on a page, once there is something of it. */
  open(path: string, looks?: PageLooks): Promise<Visitor>;
  /** Makes the server answer as it does at first: a learner, whose attempt is ready. */
  startOver(): void;
}

export async function openScriptedPages(): Promise<ScriptedPages> {
  const [browser, server] = await Promise.all([openBrowser(), startScriptedServer()]);
  return {
    server,
    async open(path, looks) {
      const visitor = await browser.visit(looks);
      await visitor.page.goto(server.url + path);
      await seen(visitor.page.getByRole("main"));
      return visitor;
    },
    startOver() {
      Object.assign(server.script, {
        session: learner,
        labs,
        current: null,
        attempt: attempt(),
        room: room(),
      });
      server.setReachable(true);
      server.script.screens = {};
      server.script.failures.clear();
      server.script.refusal = undefined;
      server.script.isSilent = false;
      server.script.files.clear();
      server.requests.length = 0;
      server.typed.clear();
    },
    async [Symbol.asyncDispose]() {
      await browser[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
