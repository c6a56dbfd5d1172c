/**
 * How many ticks one process runs at a time, shared among its volumes. Each that has something to do may use an
 * equal part; what the others leave free is nobody's until they have nothing to do. A volume claims only what
 * it may begin: nothing waits here that another worker could run.
 */

/** A volume's crew, as the others know it. */
export interface Member {
  /** Ticks that run. */
  readonly running: number;
  /** It holds something, or there is something that it could claim. */
  readonly isActive: boolean;
  /** Called when it may have room for more. */
  startTicks(): void;
}

export class Slots {
  readonly #total: number;
  readonly #members = new Set<Member>();

  /** `total`: at least one for each member. */
  constructor(total: number) {
    this.#total = total;
  }

  join(member: Member): void {
    this.#members.add(member);
  }

  leave(member: Member): void {
    this.#members.delete(member);
    this.offer();
  }

  /** Ticks that this member may run at a time, those that run included. */
  limit(member: Member): number {
    if (this.#members.size === 1) return this.#total;
    const all = [...this.#members];
    const active = all.filter((one) => one === member || one.isActive);
    const part = Math.floor(this.#total / active.length);
    const isOneMore = active.indexOf(member) < this.#total % active.length;
    // Whoever was alone before may still run more than its part.
    const free = this.#total - all.reduce((sum, { running }) => sum + running, 0);
    return Math.min(part + (isOneMore ? 1 : 0), member.running + Math.max(0, free));
  }

  /** Something has become free, perhaps. */
  offer(): void {
    for (const member of this.#members) member.startTicks();
  }
}
