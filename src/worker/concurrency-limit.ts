/**
 * Limit of the ticks that one process runs at a time, shared by its workers, one for each engine. Each active worker may
 * use an equal part; the part of an idle worker is shared by the others.
 */

/** A worker that shares the limit. */
export interface SlotUser {
  /** Ticks that run. */
  readonly running: number;
  /** It holds a task, or its engine has one to hand out. */
  readonly isActive: boolean;
  /** Called when its limit may have risen. */
  onRoom(): void;
}

export class ConcurrencyLimit {
  /** Ticks of all users at a time, at most. */
  readonly total: number;
  readonly #users = new Set<SlotUser>();

  /** `total`: at least one for each user. */
  constructor(total: number) {
    this.total = total;
  }

  join(user: SlotUser): void {
    this.#users.add(user);
  }

  leave(user: SlotUser): void {
    this.#users.delete(user);
    this.offer();
  }

  /** Ticks that this user may run at a time, including those that run. */
  limit(user: SlotUser): number {
    if (this.#users.size === 1) return this.total;
    const all = [...this.#users];
    const active = all.filter((one) => one === user || one.isActive);
    const part = Math.floor(this.total / active.length);
    const isOneMore = active.indexOf(user) < this.total % active.length;
    // A worker that was the only active one may still run more than its part.
    const free = this.total - all.reduce((sum, { running }) => sum + running, 0);
    return Math.min(part + (isOneMore ? 1 : 0), user.running + Math.max(0, free));
  }

  /** A tick has ended, or a worker has left. */
  offer(): void {
    for (const user of this.#users) user.onRoom();
  }
}
