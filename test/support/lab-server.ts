import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Listening } from "../../server/app.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { type Answer, Browser } from "./browser.ts";
import { createStubApp, type StubApp, type StubAppOptions } from "./stub-app.ts";

export const JOIN_CODE = "test-code";

/** A lab server that listens, with people who are signed in, for tests over real HTTP. */
export interface LabServer extends AsyncDisposable {
  readonly stub: StubApp;
  readonly url: string;
  readonly ports: Listening["ports"];
  readonly vmWebUrl: string;
  readonly clusterWebUrl: string;
  stranger(): Promise<Browser>;
  learner(name?: string): Promise<Browser>;
  instructor(): Promise<Browser>;
  /** Stops the server and starts another on the same state and port: one of `freePorts`, or it may be gone. */
  restart(change?: Partial<StubAppOptions>): Promise<void>;
}

/** All but where it lives. */
export type LabServerOptions = Omit<StubAppOptions, "dir">;

export async function startLabServer(options: LabServerOptions = {}): Promise<LabServer> {
  // Short, since sockets of terminals live in it and their paths may have 107 characters.
  const dir = await mkdtemp(join(tmpdir(), "fb-"));
  let now = { ...options, dir };
  const open = async () => {
    const stub = await createStubApp({ ...now, settings: { joinCode: JOIN_CODE, ...now.settings } });
    const listening = await stub.app.listen().catch(async (error: unknown) => {
      await stub[Symbol.asyncDispose]();
      throw error;
    });
    await stub.app.untilReady();
    return { stub, ...listening };
  };
  let running = await open().catch(async (error: unknown) => {
    await rm(dir, { recursive: true, force: true });
    throw error;
  });
  const signedIn = async (enter: (browser: Browser) => Promise<Answer>) => {
    const browser = await new Browser(running.url).visit();
    const { status, body } = await enter(browser);
    if (status !== 200) throw new Error(`could not sign in: ${JSON.stringify(body)}`);
    return browser;
  };
  return {
    get stub() {
      return running.stub;
    },
    get url() {
      return running.url;
    },
    get ports() {
      return running.ports;
    },
    get vmWebUrl() {
      return running.vmWebUrl;
    },
    get clusterWebUrl() {
      return running.clusterWebUrl;
    },
    stranger: () => new Browser(running.url).visit(),
    learner: (name = "Ada") => signedIn((browser) => browser.join(JOIN_CODE, name)),
    instructor: () =>
      signedIn(async (browser) => browser.enterAsInstructor(await running.stub.app.instructorLink())),
    async restart(change = {}) {
      const port = running.ports.page;
      await running.stub[Symbol.asyncDispose]();
      now = { ...now, ...change, settings: { ...now.settings, ...change.settings, port } };
      running = await open();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.stub.sandboxes.list().map((one) => running.stub.sandboxes.destroy(one.id)));
      await running.stub[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Starts the stub lab and waits until it is ready for work. */
export async function startAttempt(browser: Browser): Promise<AttemptView> {
  const { status, body } = await browser.ask("POST /api/attempts", { json: { labId: "stub-lab" } });
  if (status !== 200) throw new Error(`could not start: ${JSON.stringify(body)}`);
  return await untilReady(browser, body.id);
}

export async function attemptOf(browser: Browser, attemptId: string): Promise<AttemptView> {
  return (await browser.ask("GET /api/attempts/:attemptId", { parameters: { attemptId } })).body;
}

export async function untilReady(browser: Browser, attemptId: string): Promise<AttemptView> {
  let view = await attemptOf(browser, attemptId);
  await poll(async () => {
    view = await attemptOf(browser, attemptId);
    return view.state === "running" && view.sandbox?.phase === "ready";
  }, "the attempt is ready");
  return view;
}
