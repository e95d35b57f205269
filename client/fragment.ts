import { useSyncExternalStore } from "react";

/** What links carry behind `#`, where no server log and no referrer sees it. */
export type SecretName = "code" | "token";

const listeners = new Set<() => void>();

/** Kept by the tab, so that a reload before it is spent loses nothing; closing the tab forgets it. */
const keyOf = (name: SecretName) => `footbridge.link.${name}`;

function secretOf(name: SecretName): string | undefined {
  return sessionStorage.getItem(keyOf(name)) ?? undefined;
}

function take(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  let found = false;
  for (const name of ["code", "token"] as const) {
    const value = fragment.get(name);
    if (value === null) continue;
    sessionStorage.setItem(keyOf(name), value);
    found = true;
  }
  if (!found) return;
  // Keeps the router's own history state; only the address changes.
  history.replaceState(history.state, "", location.pathname + location.search);
  for (const tell of listeners) tell();
}

/** Takes secrets out of the address, now and whenever a link with one is opened in this tab. Call once, first. */
export function takeSecretsFromAddress(): void {
  take();
  window.addEventListener("hashchange", take);
}

/** Gives a secret away, once. */
export function spendSecret(name: SecretName): string | undefined {
  const value = secretOf(name);
  sessionStorage.removeItem(keyOf(name));
  return value;
}

/** Calls back when a link in this tab has brought a secret, until the function it returns is called. */
export function onSecret(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A secret the address brought, until it is spent. */
export function useSecret(name: SecretName): string | undefined {
  return useSyncExternalStore(onSecret, () => secretOf(name));
}
