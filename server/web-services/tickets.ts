import type { World } from "../access/addresses.ts";
import { randomSecret } from "../access/signer.ts";

/** A ticket is followed by the browser at once, or never. */
const TICKET_MS = 30_000;

/** One web service of one attempt's sandbox. */
export interface WebService {
  attemptId: string;
  world: World;
  port: number;
}

/** One-time addresses of web services. In memory: a restart within those seconds costs one more click. */
export class Tickets {
  readonly #clock: () => Date;
  readonly #tickets = new Map<string, WebService & { expiresAt: number }>();

  constructor(clock: () => Date) {
    this.#clock = clock;
  }

  issue(service: WebService): string {
    const now = this.#clock().getTime();
    for (const [ticket, { expiresAt }] of this.#tickets) if (expiresAt <= now) this.#tickets.delete(ticket);
    const ticket = randomSecret();
    this.#tickets.set(ticket, { ...service, expiresAt: now + TICKET_MS });
    return ticket;
  }

  /** The service, once. */
  redeem(ticket: string, world: World): WebService | undefined {
    const service = this.#tickets.get(ticket);
    if (!service || service.world !== world) return undefined;
    this.#tickets.delete(ticket);
    return service.expiresAt > this.#clock().getTime() ? service : undefined;
  }
}
