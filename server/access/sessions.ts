import { EventEmitter } from "node:events";
import type { CookieOptions, Response } from "express";
import type { Person, Store } from "../store/store.ts";
import { cookieName, readCookie } from "./cookies.ts";
import { hashSecret, isSame, randomSecret, type Signer } from "./signer.ts";

/** How long a browser stays signed in. */
const SESSION_MS = 7 * 24 * 3_600_000;

/** Whoever sent a request. */
export interface Visitor {
  /** Random id in the browser's signed cookie; only its hash is stored. `undefined` before the first visit. */
  sessionId: string | undefined;
  person: Person | undefined;
}

export interface SessionsDeps {
  store: Store;
  signer: Signer;
  clock: () => Date;
  /** Whether browsers come by HTTPS. */
  isSecure: boolean;
}

/** Who is signed in with which browser. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #cookie: string;
  readonly #ends = new EventEmitter().setMaxListeners(0);

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#cookie = cookieName("session", deps.isSecure);
  }

  /** Who sends this `Cookie` header. */
  async visitor(cookieHeader: string | undefined): Promise<Visitor> {
    const { store, signer, clock } = this.#deps;
    const signed = readCookie(cookieHeader, this.#cookie);
    const sessionId = signed === undefined ? undefined : signer.verify("session", signed);
    if (sessionId === undefined) return { sessionId, person: undefined };
    return { sessionId, person: await store.personOfSession(hashSecret(sessionId), clock()) };
  }

  /** Gives a browser without a session one that nobody is signed in with, so that it can prove where it comes from. */
  greet(visitor: Visitor, response: Response): string {
    const sessionId = visitor.sessionId ?? randomSecret();
    if (visitor.sessionId === undefined) this.#setCookie(response, sessionId);
    return this.csrfToken(sessionId);
  }

  /** Signs the person in under a new id: one planted in the browser before is worth nothing afterwards. */
  async signIn(visitor: Visitor, person: Person, response: Response): Promise<string> {
    const { store, clock } = this.#deps;
    await this.end(visitor);
    const sessionId = randomSecret();
    const now = clock();
    await store.removeExpiredSessions(now);
    await store.addSession({
      idHash: hashSecret(sessionId),
      personId: person.id,
      expiresAt: new Date(now.getTime() + SESSION_MS),
    });
    this.#setCookie(response, sessionId);
    return this.csrfToken(sessionId);
  }

  /** Signs out and ends what was opened with the session. */
  async signOut(visitor: Visitor, response: Response): Promise<void> {
    await this.end(visitor);
    response.clearCookie(this.#cookie, this.#cookieOptions());
  }

  /** Calls back when that session ends before its time. */
  onEnd(sessionId: string, listener: () => void, signal: AbortSignal): void {
    const event = hashSecret(sessionId);
    this.#ends.on(event, listener);
    signal.addEventListener("abort", () => this.#ends.off(event, listener), { once: true });
  }

  csrfToken(sessionId: string): string {
    return this.#deps.signer.mac("csrf", sessionId);
  }

  isCsrfToken(visitor: Visitor, token: string | undefined): boolean {
    return (
      visitor.sessionId !== undefined &&
      token !== undefined &&
      isSame(token, this.csrfToken(visitor.sessionId))
    );
  }

  async end(visitor: Visitor): Promise<void> {
    if (visitor.sessionId === undefined) return;
    const idHash = hashSecret(visitor.sessionId);
    await this.#deps.store.removeSession(idHash);
    this.#ends.emit(idHash);
  }

  #setCookie(response: Response, sessionId: string): void {
    response.cookie(this.#cookie, this.#deps.signer.sign("session", sessionId), {
      ...this.#cookieOptions(),
      maxAge: SESSION_MS,
    });
  }

  #cookieOptions(): CookieOptions {
    return { httpOnly: true, sameSite: "lax", secure: this.#deps.isSecure, path: "/" };
  }
}
