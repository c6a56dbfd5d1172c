/**
 * Who lives: a session is dead when its lease has not moved for the lease time on *our* monotonic clock. Whatever is not a
 * counter does not move; a volume that does not answer says nothing about anybody (I8).
 */
import { isDead, sight, type Observation } from './phases/liveness.ts';
import { listOrNone, readFlag } from './atomic-files.ts';
import { isJunkName } from './layout.ts';
import { sessionOfTokenFile, type SessionContext } from './session-context.ts';
import { COUNTER_BYTES, parseCounter } from './pulse.ts';

/** Leases are looked at once in so many parts of a lease: a death shows that much later at most. */
const LOOKS_PER_LEASE = 8;

export class LeaseWatch {
  readonly #context: SessionContext;
  readonly #lease: number;
  readonly #monotonic: () => number;
  readonly #sightings = new Map<string, Observation>();
  /** Counters that were seen to move. */
  readonly #moved = new Set<string>();
  #looked = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, lease: number, monotonic: () => number) {
    this.#context = context;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /** Is it time to look again? */
  get isDue(): boolean {
    return this.#monotonic() - this.#looked >= this.#lease / LOOKS_PER_LEASE;
  }

  /** Looks at every lease there is, and at those of `others`. Changes nothing, so any phase will do. */
  async observe(others: readonly string[]): Promise<void> {
    const { files, layout, token } = this.#context;
    this.#looked = this.#monotonic();
    const named = new Set([
      ...(await listOrNone(files, layout.internal('leases'))),
      ...(await listOrNone(files, layout.internal('sessions'))).map(sessionOfTokenFile),
      ...(await listOrNone(files, layout.internal('staging'))),
      ...others,
    ]);
    // Who has just gone is looked for all the same: a listing may be old, and a lease has its time.
    for (const session of new Set([...named, ...this.#sightings.keys()])) {
      if (session !== token.session && !isJunkName(session)) await this.#look(session);
    }
    for (const session of this.#sightings.keys()) {
      if (!named.has(session) && this.isDead(session)) this.#sightings.delete(session);
    }
  }

  async #look(session: string): Promise<void> {
    const { files, layout } = this.#context;
    const began = this.#monotonic();
    let text: string | undefined;
    try {
      text = await readFlag(files, layout.internal('leases', session), COUNTER_BYTES);
    } catch {
      return;
    }
    const before = this.#sightings.get(session);
    const after = sight(before, parseCounter(text), began, this.#monotonic());
    if (before !== undefined && after.counter > before.counter) this.#moved.add(session);
    this.#sightings.set(session, after);
  }

  /** I6: right before it counts. The volume may have been slow since the last look, and who had slept may be back. */
  async isDeadNow(session: string): Promise<boolean> {
    await this.#look(session);
    const looked = this.#sightings.get(session)?.looked ?? Number.NEGATIVE_INFINITY;
    return this.isDead(session) && this.#monotonic() - looked < this.#lease / LOOKS_PER_LEASE;
  }

  isDead(session: string): boolean {
    const sighting = this.#sightings.get(session);
    return sighting !== undefined && isDead(sighting, this.#lease);
  }

  /** Was this session seen to be at work since we came? */
  isAlive(session: string): boolean {
    return this.#moved.has(session) && !this.isDead(session);
  }

  living(): string[] {
    return [...this.#sightings.keys()].filter((session) => !this.isDead(session));
  }

  dead(): string[] {
    return [...this.#sightings.keys()].filter((session) => this.isDead(session));
  }

  /** Its lease may have been broken already, by somebody who died before he was through: watched from now on. */
  hearOf(session: string): void {
    if (this.#sightings.has(session)) return;
    this.#sightings.set(session, sight(undefined, undefined, this.#monotonic()));
  }

  forget(session: string): void {
    this.#sightings.delete(session);
    this.#moved.delete(session);
  }
}
