import { io, type Socket } from "socket.io-client";
import type { Ack, ClientToServer, ServerToClient } from "../../server/protocol/socket.ts";
import { RequestFailure } from "../failure.ts";

export type LabSocket = Socket<ServerToClient, ClientToServer>;

/** A socket that is down for longer has lost what was asked of it. */
const ACK_TIMEOUT_MS = 15_000;

/** Opens the page's one socket; the session's cookie signs it in. */
export function openSocket(): LabSocket {
  return io({
    autoConnect: false,
    // Long polling would reorder and slow terminals; proxies that can't do WebSocket are documented as unsupported.
    transports: ["websocket"],
    // Back within a second of the server. The first waits differ, so that a roomful of pages stays spread from then on.
    reconnectionDelay: 250,
    reconnectionDelayMax: 500,
    randomizationFactor: 0.5,
  });
}

/** Waits for an event's answer as a promise. Throws `RequestFailure`. */
export function answered<T>(ask: (ack: Ack<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new RequestFailure({ kind: "unreachable" })), ACK_TIMEOUT_MS);
    ask((answer) => {
      clearTimeout(timer);
      if (answer.ok) resolve(answer.value);
      else reject(new RequestFailure({ kind: "refused", status: 400, body: answer.error }));
    });
  });
}
