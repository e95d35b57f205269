import type { Logger } from "pino";
import type { Attempts } from "../attempts/attempts.ts";
import type { AttemptView, Language, RoomView } from "../protocol/views.ts";
import { type Coalesced, coalesce } from "./coalesce.ts";

/** A page sees changes at most so often; the first one at once. */
const ATTEMPT_PAUSE_MS = 150;
const ROOM_PAUSE_MS = 1_000;

export interface AttemptWatcher {
  language: Language;
  show(view: AttemptView): void;
}

export interface RoomWatcher {
  language: Language;
  show(view: RoomView): void;
}

export interface LiveViewsDeps {
  attempts: Attempts;
  room(language: Language): Promise<RoomView>;
  log: Logger;
}

/** Tells those who watch an attempt, or the room, what it looks like after each change. */
export class LiveViews implements Disposable {
  readonly #deps: LiveViewsDeps;
  readonly #attempts = new Map<string, { watchers: Set<AttemptWatcher>; push: Coalesced }>();
  readonly #room = new Set<RoomWatcher>();
  readonly #pushRoom: Coalesced;
  readonly #stop = new AbortController();

  constructor(deps: LiveViewsDeps) {
    this.#deps = deps;
    this.#pushRoom = coalesce(() => this.#push(this.#room, (language) => deps.room(language)), ROOM_PAUSE_MS);
    deps.attempts.onChange((id) => this.#changed(id), this.#stop.signal);
  }

  /** Until the signal aborts. */
  watchAttempt(attemptId: string, watcher: AttemptWatcher, signal: AbortSignal): void {
    const watched = this.#attempts.get(attemptId) ?? this.#newAttempt(attemptId);
    watched.watchers.add(watcher);
    onAbort(signal, () => {
      watched.watchers.delete(watcher);
      if (watched.watchers.size > 0) return;
      watched.push.stop();
      if (this.#attempts.get(attemptId) === watched) this.#attempts.delete(attemptId);
    });
  }

  watchRoom(watcher: RoomWatcher, signal: AbortSignal): void {
    this.#room.add(watcher);
    onAbort(signal, () => this.#room.delete(watcher));
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#pushRoom.stop();
    for (const { push } of this.#attempts.values()) push.stop();
  }

  #newAttempt(attemptId: string) {
    const watchers = new Set<AttemptWatcher>();
    const push = coalesce(
      () => this.#push(watchers, (language) => this.#deps.attempts.view(attemptId, language)),
      ATTEMPT_PAUSE_MS,
    );
    const watched = { watchers, push };
    this.#attempts.set(attemptId, watched);
    return watched;
  }

  #changed(attemptId: string): void {
    this.#attempts.get(attemptId)?.push.ask();
    if (this.#room.size > 0) this.#pushRoom.ask();
  }

  /** One view for each language that is read. */
  async #push<View>(
    watchers: ReadonlySet<{ language: Language; show(view: View): void }>,
    view: (language: Language) => Promise<View>,
  ): Promise<void> {
    const languages = new Set([...watchers].map((watcher) => watcher.language));
    for (const language of languages) {
      try {
        const value = await view(language);
        for (const watcher of watchers) if (watcher.language === language) watcher.show(value);
      } catch (error) {
        // The next change brings the next view; a page that asks gets the failure itself.
        this.#deps.log.warn({ err: error }, "view not made");
      }
    }
  }
}

function onAbort(signal: AbortSignal, listener: () => void): void {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
}
