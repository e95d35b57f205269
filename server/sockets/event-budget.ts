/** What events may cost at once, and in each second from then on. */
export interface BudgetSize {
  burst: number;
  refillPerSecond: number;
}

/** A bucket that events drain and time fills. */
export class EventBudget {
  readonly #size: BudgetSize;
  #left: number;
  #filledAt = performance.now();

  constructor(size: BudgetSize) {
    this.#size = size;
    this.#left = size.burst;
  }

  /** Nothing of it is spent. */
  get isFull(): boolean {
    this.#fill();
    return this.#left === this.#size.burst;
  }

  /** False when the budget does not allow it. */
  spend(cost: number): boolean {
    this.#fill();
    if (this.#left < cost) return false;
    this.#left -= cost;
    return true;
  }

  #fill(): void {
    const { burst, refillPerSecond } = this.#size;
    const now = performance.now();
    this.#left = Math.min(burst, this.#left + ((now - this.#filledAt) / 1_000) * refillPerSecond);
    this.#filledAt = now;
  }
}
