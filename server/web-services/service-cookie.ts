import type { World } from "../access/addresses.ts";
import { cookieName, readCookie } from "../access/cookies.ts";
import type { Signer } from "../access/signer.ts";
import type { WebService } from "./tickets.ts";

/** Which service a browser has open on a world's port; the attempt's end ends it. */
export class ServiceCookie {
  readonly #world: World;
  readonly #name: string;
  readonly #signer: Signer;
  readonly #isSecure: boolean;

  constructor(world: World, signer: Signer, isSecure: boolean) {
    this.#world = world;
    this.#name = cookieName(world, isSecure);
    this.#signer = signer;
    this.#isSecure = isSecure;
  }

  /** A `Set-Cookie` header. */
  set({ attemptId, world, port }: WebService): string {
    const value = this.#signer.sign("web", `${world}:${port}:${attemptId}`);
    return `${this.#name}=${value}; Path=/; HttpOnly; SameSite=Lax${this.#isSecure ? "; Secure" : ""}`;
  }

  read(cookieHeader: string | undefined): WebService | undefined {
    const signed = readCookie(cookieHeader, this.#name);
    const value = signed === undefined ? undefined : this.#signer.verify("web", signed);
    const parts = /^(vm|cluster):(\d+):(.+)$/.exec(value ?? "");
    if (!parts?.[3] || parts[1] !== this.#world) return undefined;
    return { world: this.#world, port: Number(parts[2]), attemptId: parts[3] };
  }
}
