import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import express from "express";
import type { Logger } from "pino";
import type { SandboxService } from "../sandboxes/sandbox.ts";
import { Addresses, type Ports } from "./access/addresses.ts";
import { Invitations } from "./access/invitations.ts";
import { Sessions } from "./access/sessions.ts";
import { loadSigner } from "./access/signer.ts";
import { Attempts } from "./attempts/attempts.ts";
import { LabCatalogue, type Offer } from "./attempts/lab-catalogue.ts";
import { roomView } from "./attempts/room.ts";
import { SandboxControls } from "./attempts/sandbox-controls.ts";
import { keepTime } from "./attempts/time-keeper.ts";
import type { PrepareLab, WatchTasks } from "./checks/task-watcher.ts";
import type { Lab } from "./labs/lab.ts";
import { close, createListener, listen } from "./listeners.ts";
import { Metrics } from "./observe/metrics.ts";
import type { Language } from "./protocol/views.ts";
import { Recovery } from "./readiness.ts";
import { register } from "./routes.ts";
import type { Settings } from "./settings.ts";
import { attachSockets } from "./sockets/sockets.ts";
import type { Store } from "./store/store.ts";
import type { TerminalHub } from "./terminal/hub.ts";
import { ConnectionLimit } from "./web-services/connection-limit.ts";
import { Tickets } from "./web-services/tickets.ts";
import { type ConnectToSandbox, WebListener } from "./web-services/web-listener.ts";

/** How often attempts are looked at for their end, their idleness and room for who waits. */
const TICK_MS = 5_000;

export interface AppDeps {
  settings: Settings;
  store: Store;
  sandboxes: SandboxService;
  labs: readonly Lab[];
  /** What sandboxes here can do, which decides about the labs that are offered. */
  offer: Offer;
  watchTasks: WatchTasks;
  prepareLab: PrepareLab;
  hub: TerminalHub;
  /** TCP into a sandbox, for web services. */
  connect: ConnectToSandbox;
  log: Logger;
  /** Folder of the built client. */
  clientDir: string;
  clock?: () => Date;
  tickMs?: number;
  answerMs?: number;
}

/** The lab server. It owns its listeners; store, sandboxes and hub stay their maker's. */
export interface App extends AsyncDisposable {
  /** Answers at once; `/healthz` says when what ran before has been taken up. */
  listen(): Promise<Listening>;
  /** Where learners join. */
  learnerLink(): string;
  /** Where an instructor signs in, once. Each call makes a new link and the one before it useless. */
  instructorLink(): Promise<string>;
  /** Resolves when attempts and sandboxes of an earlier server have been taken up. */
  untilReady(): Promise<void>;
}

export interface Listening {
  /** Origins as browsers are to use them. */
  url: string;
  /** Ports really listened on, for what stands in front. */
  ports: Ports;
  vmWebUrl: string;
  clusterWebUrl: string;
}

/** Puts the lab server together. Nothing listens before `listen()`. */
export async function createApp(deps: AppDeps): Promise<App> {
  const { settings, store, sandboxes, hub, log } = deps;
  const clock = deps.clock ?? (() => new Date());
  const stop = new AbortController();
  const addresses = new Addresses(settings);
  const signer = await loadSigner(store);
  const invitations = await Invitations.load({ store, clock, joinCode: settings.joinCode });
  const sessions = new Sessions({ store, signer, clock, isSecure: addresses.isSecure });
  const metrics = new Metrics(sandboxes);
  const labs = new LabCatalogue(deps.labs, deps.offer);
  const attempts = new Attempts({ ...deps, placement: deps.offer.placement, labs, metrics, clock });
  const recovery = new Recovery(() => attempts.recover(), log);
  const untilReady = () => recovery.untilReady();
  const tickets = new Tickets(clock);
  const { joinCode } = invitations;
  // Behind `#`, where no server log and no referrer sees it.
  const learnerLink = () => `${addresses.page}/join#code=${encodeURIComponent(joinCode)}`;
  const room = (language: Language) =>
    roomView({ attempts, sandboxes, store, joinCode, joinUrl: learnerLink }, language);

  const app = express();
  register(app, {
    settings,
    addresses,
    sessions,
    invitations,
    attempts,
    controls: new SandboxControls({ attempts, sandboxes, hub, answerMs: deps.answerMs }),
    labs,
    tickets,
    metrics,
    log,
    clientDir: deps.clientDir,
    room,
    readiness: () => recovery.readiness,
    untilReady,
  });
  const page = await createListener(settings, app);
  const { ready } = recovery;
  const sockets = attachSockets(page, {
    addresses,
    sessions,
    attempts,
    hub,
    metrics,
    log,
    room,
    ready,
    untilReady,
  });
  const connections = new ConnectionLimit();
  const webListener = async (world: "vm" | "cluster") => {
    const shared = { addresses, signer, tickets, attempts, connections, untilReady };
    const listener = new WebListener({ ...deps, ...shared, world });
    const server = await createListener(settings, listener.onRequest);
    server.on("upgrade", listener.onUpgrade);
    return server;
  };
  const web = { vm: await webListener("vm"), cluster: await webListener("cluster") };
  const upgraded = [page, web.vm, web.cluster].map(trackUpgraded);
  let work: Promise<unknown> = Promise.resolve();

  return {
    async listen() {
      const { host } = settings;
      const ports = {
        page: await listen(page, host, settings.port),
        vm: await listen(web.vm, host, settings.vmWebPort),
        cluster: await listen(web.cluster, host, settings.clusterWebPort),
      };
      addresses.ports = ports;
      work = recovery
        .run(stop.signal)
        .then(() => keepTime({ ...deps, attempts, clock, tickMs: deps.tickMs ?? TICK_MS }, stop.signal));
      return {
        url: addresses.page,
        ports,
        vmWebUrl: addresses.web("vm", undefined),
        clusterWebUrl: addresses.web("cluster", undefined),
      };
    },
    learnerLink,
    async instructorLink() {
      return `${addresses.page}/instructor#token=${await invitations.newInstructorToken()}`;
    },
    untilReady,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await sockets[Symbol.asyncDispose]();
      for (const destroy of upgraded) destroy();
      await Promise.all([page, web.vm, web.cluster].map(close));
      await work;
      await attempts[Symbol.asyncDispose]();
    },
  };
}

/** Connections that became WebSockets are no longer the HTTP server's to close. */
function trackUpgraded(server: Server): () => void {
  const sockets = new Set<Duplex>();
  server.on("upgrade", (_request, socket: Duplex) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
