import { join } from "node:path";
import { pino } from "pino";
import { type App, type AppDeps, createApp } from "../../server/app.ts";
import { Settings } from "../../server/settings.ts";
import { openSqliteStore } from "../../server/store/sqlite-store.ts";
import type { Store } from "../../server/store/store.ts";
import type { TerminalHub } from "../../server/terminal/hub.ts";
import { createTerminalHub } from "../../server/terminal/terminal-hub.ts";
import { prepareStubLab, stubLab, watchStubTasks } from "./stub-lab.ts";
import { connectStub } from "./stub-parts.ts";
import { type StubOptions, StubSandboxes } from "./stub-sandboxes.ts";

export interface StubAppOptions {
  /** Database and sandboxes live here; a second app on the same folder takes over. */
  dir: string;
  settings?: Partial<Settings>;
  sandboxes?: Partial<StubOptions>;
  app?: Partial<AppDeps>;
}

export interface StubApp extends AsyncDisposable {
  app: App;
  store: Store;
  sandboxes: StubSandboxes;
  hub: TerminalHub;
}

/** The whole lab server on sandboxes that are folders; everything above them is real. */
export async function createStubApp(options: StubAppOptions): Promise<StubApp> {
  const { dir } = options;
  const settings = Settings.parse({
    port: 0,
    vmWebPort: 0,
    clusterWebPort: 0,
    stateDir: join(dir, "state"),
    cacheDir: join(dir, "cache"),
    ...options.settings,
  });
  const store = await openSqliteStore(join(settings.stateDir, "footbridge.db"));
  const sandboxes = new StubSandboxes({
    dir: join(dir, "s"),
    room: 10,
    stepMs: 1,
    ports: () => undefined,
    ...options.sandboxes,
  });
  const hub = createTerminalHub({
    resolve: (id) => {
      const sandbox = sandboxes.get(id);
      return (
        sandbox && {
          place: (role) => (role === "vm" ? sandbox.machine()?.place : sandbox.cluster()?.place),
          openConsole: () => {
            const machine = sandbox.machine();
            if (!machine) throw new Error("no machine yet");
            return machine.openConsole();
          },
        }
      );
    },
  });
  const app = await createApp({
    settings,
    store,
    sandboxes,
    labs: [stubLab],
    offer: { placement: "beside", nodes: 1, enforcesNetworkPolicy: true },
    watchTasks: watchStubTasks,
    prepareLab: prepareStubLab,
    hub,
    connect: (_id, world, port) => connectStub(sandboxes.options.ports, world, port),
    log: pino({ level: "silent" }),
    clientDir: join(import.meta.dirname, "../../client/dist"),
    tickMs: 50,
    ...options.app,
  });
  return {
    app,
    store,
    sandboxes,
    hub,
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      await sandboxes[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}
