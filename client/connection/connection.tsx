import { createContext, type ReactNode, use, useState, useSyncExternalStore } from "react";
import { ErrorBody } from "../../server/protocol/http.ts";
import { type LabSocket, openSocket } from "./socket.ts";

/** `connecting` is the first time only; a connection that was there and went is `lost`. */
export type ConnectionState =
  | { kind: "connecting" }
  | { kind: "connected" }
  | { kind: "lost" }
  /** The server does not want this page, as when nobody is signed in any more; trying again helps only then. */
  | { kind: "refused"; error: ErrorBody };

/** The page's one socket and what has become of it. */
export interface Connection {
  readonly socket: LabSocket;
  state(): ConnectionState;
  subscribe(listener: () => void): () => void;
  /** Tries at once instead of waiting for the next attempt. */
  reconnect(): void;
}

/** A server that closes connections on purpose is not asked again at once, or the two would race in circles. */
const AFTER_SERVER_CLOSED_MS = 500;

/** Connects while somebody subscribes, so that pages without live parts hold no socket. */
export function createConnection(socket: LabSocket = openSocket()): Connection {
  let state: ConnectionState = { kind: "connecting" };
  const listeners = new Set<() => void>();
  const become = (next: ConnectionState) => {
    if (state.kind === next.kind && next.kind !== "refused") return;
    state = next;
    for (const tell of listeners) tell();
  };
  const connectIfWanted = () => {
    if (listeners.size > 0) socket.connect();
  };
  socket.on("connect", () => become({ kind: "connected" }));
  socket.on("disconnect", (reason) => {
    if (reason === "io client disconnect") return;
    become({ kind: "lost" });
    // socket.io leaves trying again to us then.
    if (reason === "io server disconnect") setTimeout(connectIfWanted, AFTER_SERVER_CLOSED_MS);
  });
  socket.on("connect_error", (error: Error & { data?: unknown }) => {
    const refusal = ErrorBody.safeParse(error.data);
    become(refusal.success ? { kind: "refused", error: refusal.data } : { kind: "lost" });
  });
  return {
    socket,
    state: () => state,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1) socket.connect();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        socket.disconnect();
        state = { kind: "connecting" };
      };
    },
    reconnect() {
      socket.disconnect().connect();
    },
  };
}

const ConnectionContext = createContext<Connection | undefined>(undefined);

/** Gives the pages below it one connection. */
export function ConnectionProvider({ children }: { children: ReactNode }) {
  const [connection] = useState(createConnection);
  return <ConnectionContext value={connection}>{children}</ConnectionContext>;
}

export function useConnection(): Connection {
  const connection = use(ConnectionContext);
  if (!connection) throw new Error("useConnection belongs below a ConnectionProvider");
  return connection;
}

export function useConnectionState(): ConnectionState {
  const connection = useConnection();
  return useSyncExternalStore(connection.subscribe, connection.state);
}
