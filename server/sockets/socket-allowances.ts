import { LabError } from "../../sandboxes/errors.ts";
import type { Role } from "../protocol/views.ts";
import type { Person } from "../store/store.ts";
import { type BudgetSize, EventBudget } from "./event-budget.ts";

/**
 * What one person's pages may do together. Sockets: one a tab, and those whose line broke unnoticed count for the 45 s
 * until their ping is missed. Budget: eight tabs that come back at once with three terminals each; somebody who types,
 * pastes and scrolls as fast as can be stays far below, and acknowledgements of 40 MB/s of output cost 600 a second.
 * An instructor has pages of several learners open.
 */
const ALLOWED: Record<Role, BudgetSize & { sockets: number }> = {
  learner: { sockets: 16, burst: 8_000, refillPerSecond: 1_500 },
  instructor: { sockets: 32, burst: 16_000, refillPerSecond: 3_000 },
};

/** One socket's part in what its person is allowed. */
export interface SocketAllowance {
  readonly budget: EventBudget;
  /** The socket is gone. */
  release(): void;
}

/** How many sockets each person has, and the one budget their events share: more tabs buy nobody more. */
export class SocketAllowances {
  readonly #people = new Map<string, { sockets: number; budget: EventBudget }>();

  /** @throws LabError `too_many_pages` */
  claim({ id, role }: Pick<Person, "id" | "role">): SocketAllowance {
    this.#forgetRested();
    const person = this.#people.get(id) ?? { sockets: 0, budget: new EventBudget(ALLOWED[role]) };
    this.#people.set(id, person);
    if (person.sockets >= ALLOWED[role].sockets)
      throw new LabError("too_many_pages", `you have ${person.sockets} pages of the lab open already`, {
        hint: "close another one, then try again",
      });
    person.sockets += 1;
    let isHeld = true;
    return {
      budget: person.budget,
      release: () => {
        if (isHeld) person.sockets -= 1;
        isHeld = false;
      },
    };
  }

  /** Not as soon as the last socket is gone: who comes back would have a whole budget again. */
  #forgetRested(): void {
    for (const [id, { sockets, budget }] of this.#people)
      if (sockets === 0 && budget.isFull) this.#people.delete(id);
  }
}
