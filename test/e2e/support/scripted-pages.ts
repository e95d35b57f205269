import { afterAll, beforeAll, beforeEach } from "vitest";
import { openBrowser, type PageLooks, seen, type TestBrowser, type Visitor } from "./browser.ts";
import { attempt, labs, learner, room } from "./sample-views.ts";
import { createScriptedServer, type ScriptedServer } from "./scripted-server.ts";

/** The scripted server and a browser to look at its pages. */
export interface ScriptedPages {
  readonly server: ScriptedServer;
  /** A new visitor on a page, once there is something of it. */
  open(path: string, looks?: PageLooks): Promise<Visitor>;
}

/** Has the tests of the file share them; to each the server answers at first with a learner, whose attempt is ready. */
export function setUpScriptedPages(): ScriptedPages {
  const server = createScriptedServer();
  let browser: TestBrowser;
  beforeAll(async () => {
    [browser] = await Promise.all([openBrowser(), server.listen()]);
  });
  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(() => startOver(server));
  return {
    server,
    async open(path, looks) {
      const visitor = await browser.visit(looks);
      await visitor.page.goto(server.url + path);
      await seen(visitor.page.getByRole("main"));
      return visitor;
    },
  };
}

function startOver(server: ScriptedServer): void {
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
}
