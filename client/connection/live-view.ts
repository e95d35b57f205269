import { useState, useSyncExternalStore } from "react";
import { AttemptView, RoomView, type ViewVersion } from "../../server/protocol/views.ts";
import { currentLanguage, subscribePreferences } from "../preferences.ts";
import { type Connection, useConnection } from "./connection.tsx";
import { answered } from "./socket.ts";

/** A view that the server keeps up to date. */
export interface LiveView<View> {
  current(): Live<View>;
  subscribe(listener: () => void): () => void;
  /** Takes a view as an answer to a request brings it, unless a newer one has come already. */
  take(view: View): void;
}

export interface Live<View> {
  view: View;
  /** When this view came, by this browser's clock: durations in it count on from then. */
  receivedAt: number;
  /** The server refused to keep it up to date. */
  error: unknown;
}

interface Source<View> {
  ask(connection: Connection): Promise<View>;
  listen(connection: Connection, onView: (view: View) => void): () => void;
}

function createLiveView<View extends { version: ViewVersion }>(
  connection: Connection,
  initial: View,
  source: Source<View>,
): LiveView<View> {
  let live: Live<View> = { view: initial, receivedAt: Date.now(), error: undefined };
  const listeners = new Set<() => void>();
  const become = (next: Live<View>) => {
    live = next;
    for (const tell of listeners) tell();
  };
  const take = (view: View) => {
    const { server, count } = live.view.version;
    // Another server is a newer one. It counts anew, and may answer a request before the socket is back.
    if (view.version.server === server && view.version.count < count) return;
    become({ view, receivedAt: Date.now(), error: undefined });
  };
  let asks = 0;
  // Asked anew after each reconnect, since the server sees a new socket then, and in each new language.
  const watch = () => {
    if (!connection.socket.connected) return;
    asks += 1;
    const ask = asks;
    source.ask(connection).then(take, (error: unknown) => {
      // What a lost connection took with it fails long after it was asked again.
      if (ask === asks) become({ ...live, error });
    });
  };
  const watchIfRefused = () => {
    if (live.error) watch();
  };
  let stop = () => {};
  return {
    current: () => live,
    take,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1) {
        const stopListening = source.listen(connection, take);
        const release = connection.subscribe(() => {});
        connection.socket.on("connect", watch);
        connection.socket.on("server:ready", watchIfRefused);
        const releasePreferences = subscribePreferences(watch);
        watch();
        stop = () => {
          releasePreferences();
          stopListening();
          connection.socket.off("connect", watch);
          connection.socket.off("server:ready", watchIfRefused);
          release();
        };
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
  };
}

/** An attempt as it is now, in the reader's language. Render it under the attempt's id as key. */
export function useLiveAttempt(initial: AttemptView): LiveView<AttemptView> {
  const connection = useConnection();
  const [live] = useState(() =>
    createLiveView(connection, initial, {
      ask: async ({ socket }) =>
        AttemptView.parse(
          await answered<AttemptView>((ack) =>
            socket.emit("attempt:watch", { attemptId: initial.id, language: currentLanguage() }, ack),
          ),
        ),
      listen({ socket }, onView) {
        const onChange = (attempt: AttemptView) => {
          if (attempt.id === initial.id) onView(AttemptView.parse(attempt));
        };
        socket.on("attempt:changed", onChange);
        return () => socket.off("attempt:changed", onChange);
      },
    }),
  );
  return live;
}

/** The instructor's room as it is now. */
export function useLiveRoom(initial: RoomView): LiveView<RoomView> {
  const connection = useConnection();
  const [live] = useState(() =>
    createLiveView(connection, initial, {
      ask: async ({ socket }) =>
        RoomView.parse(
          await answered<RoomView>((ack) => socket.emit("room:watch", { language: currentLanguage() }, ack)),
        ),
      listen({ socket }, onView) {
        const onChange = (room: RoomView) => onView(RoomView.parse(room));
        socket.on("room:changed", onChange);
        return () => socket.off("room:changed", onChange);
      },
    }),
  );
  return live;
}

/** The present state of a live view. */
export function useLive<View>(live: LiveView<View>): Live<View> {
  return useSyncExternalStore(live.subscribe, live.current);
}
