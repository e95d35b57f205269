import type { TerminalHandle } from "../terminal/terminal.tsx";

type Work = (handle: TerminalHandle) => void;

/** The page's terminals by tab, and what is to be done with one that is still opening. */
export class TerminalHandles {
  readonly #handles = new Map<string, TerminalHandle>();
  readonly #waiting = new Map<string, Work[]>();

  /** A terminal is there; null when it has gone. */
  set(tab: string, handle: TerminalHandle | null): void {
    if (!handle) {
      this.#handles.delete(tab);
      return;
    }
    this.#handles.set(tab, handle);
    // In development React mounts everything, unmounts it and mounts it again: only the last is to be typed into.
    queueMicrotask(() => this.#catchUp(tab));
  }

  #catchUp(tab: string): void {
    const handle = this.#handles.get(tab);
    if (!handle) return;
    const waiting = this.#waiting.get(tab) ?? [];
    this.#waiting.delete(tab);
    for (const work of waiting) work(handle);
  }

  /** Does something with a terminal, as soon as it is there. */
  with(tab: string, work: Work): void {
    const handle = this.#handles.get(tab);
    if (handle) work(handle);
    else this.#waiting.set(tab, [...(this.#waiting.get(tab) ?? []), work]);
  }

  /** False where there is no terminal to focus. */
  focus(tab: string): boolean {
    const handle = this.#handles.get(tab);
    handle?.focus();
    return handle !== undefined;
  }
}
