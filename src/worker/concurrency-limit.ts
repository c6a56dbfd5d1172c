/**
 * How many ticks one process runs at a time, shared by its workers, one for each engine. A worker that has something to do
 * may use an equal part; the part of one that has nothing to do is shared by the others.
 */

/** A worker, as the others see it. */
export interface SlotUser {
  /** Ticks that run. */
  readonly running: number;
  /** It holds something, or its engine has something to hand out. */
  readonly isActive: boolean;
  /** Called when it may have room for more. */
  onRoom(): void;
}

export class ConcurrencyLimit {
  readonly #total: number;
  readonly #users = new Set<SlotUser>();

  /** `total`: at least one for each user. */
  constructor(total: number) {
    this.#total = total;
  }

  join(user: SlotUser): void {
    this.#users.add(user);
  }

  leave(user: SlotUser): void {
    this.#users.delete(user);
    this.offer();
  }

  /** Ticks that this user may run at a time, those that run included. */
  limit(user: SlotUser): number {
    if (this.#users.size === 1) return this.#total;
    const all = [...this.#users];
    const active = all.filter((one) => one === user || one.isActive);
    const part = Math.floor(this.#total / active.length);
    const isOneMore = active.indexOf(user) < this.#total % active.length;
    // A worker that was alone before may still run more than its part.
    const free = this.#total - all.reduce((sum, { running }) => sum + running, 0);
    return Math.min(part + (isOneMore ? 1 : 0), user.running + Math.max(0, free));
  }

  /** A tick has ended, or a worker has left. */
  offer(): void {
    for (const user of this.#users) user.onRoom();
  }
}
