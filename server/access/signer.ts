import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Store } from "../store/store.ts";

/** What is signed for one purpose is worth nothing for another. */
export type SignedPurpose = "session" | "csrf" | "web";

/** Signs what is given to browsers, so that only what this server gave is believed when it comes back. */
export interface Signer {
  /** `value.signature`; the value stays readable. */
  sign(purpose: SignedPurpose, value: string): string;
  /** The value, or `undefined` where the signature is not ours. */
  verify(purpose: SignedPurpose, signed: string): string | undefined;
  /** Only the signature: proof of knowing the value without showing it. */
  mac(purpose: SignedPurpose, value: string): string;
}

/** A signer with this installation's key, made on first use and kept in the store. */
export async function loadSigner(store: Store): Promise<Signer> {
  const key = Buffer.from(await store.settingOr("signing_key", randomSecret()), "base64url");
  const mac = (purpose: SignedPurpose, value: string) =>
    createHmac("sha256", key).update(`${purpose}\0${value}`).digest("base64url");
  return {
    mac,
    sign: (purpose, value) => `${value}.${mac(purpose, value)}`,
    verify: (purpose, signed) => {
      const dot = signed.lastIndexOf(".");
      if (dot < 1) return undefined;
      const value = signed.slice(0, dot);
      return isSame(signed.slice(dot + 1), mac(purpose, value)) ? value : undefined;
    },
  };
}

/** 256 random bits, fit for URLs and cookies. */
export function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What the store keeps instead of a secret. Secrets here are random and long, so a plain hash can't be guessed back. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Compares without telling by its time how much was right. */
export function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
