/**
 * Observes the leases of all sessions. A session is dead when its counter has not moved for the lease time on *our* monotonic
 * clock. Content that is not a counter does not move; a failed read says nothing about any session (I8).
 */
import { invariant } from '../machine/invariant.ts';
import { isDead, observe, type Observation } from './phases/liveness.ts';
import { listOrNone, readFlag } from './atomic-files.ts';
import { isJunkName } from './layout.ts';
import { sessionOfTokenFile, type SessionContext } from './session-context.ts';
import { COUNTER_BYTES, parseCounter } from './heartbeat.ts';

/** Leases are read this many times per lease: a death is seen that much later at most. */
const READS_PER_LEASE = 8;

export class LeaseWatch {
  readonly #context: SessionContext;
  readonly #lease: number;
  readonly #monotonic: () => number;
  readonly #observations = new Map<string, Observation>();
  /** Sessions whose counters were seen to move. */
  readonly #moved = new Set<string>();
  /** Sessions that were recovered, and are still listed: a stale listing, or an entry that is not a lease. */
  readonly #recovered = new Set<string>();
  #looked = Number.NEGATIVE_INFINITY;

  constructor(context: SessionContext, lease: number, monotonic: () => number) {
    this.#context = context;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /** Is it time to read the leases again? */
  get isDue(): boolean {
    return this.#monotonic() - this.#looked >= this.#lease / READS_PER_LEASE;
  }

  /** Reads all leases, and those of `others`. Changes nothing on the volume: allowed in any phase. */
  async observe(others: readonly string[]): Promise<void> {
    const { files, layout, token } = this.#context;
    this.#looked = this.#monotonic();
    const named = new Set([
      ...(await listOrNone(files, layout.internal('leases'))),
      ...(await listOrNone(files, layout.internal('sessions'))).map(sessionOfTokenFile),
      ...(await listOrNone(files, layout.internal('staging'))),
      ...others,
    ]);
    // Known sessions too, listed or not: a listing may be stale, and a session is dead only after a lease.
    for (const session of new Set([...named, ...this.#observations.keys()])) {
      if (session !== token.session && !isJunkName(session)) await this.#look(session);
    }
    for (const session of this.#observations.keys()) {
      if (!named.has(session) && this.isDead(session)) this.#observations.delete(session);
    }
    for (const session of this.#recovered) {
      if (!named.has(session)) this.#recovered.delete(session);
    }
  }

  async #look(session: string): Promise<void> {
    const { files, layout, token } = this.#context;
    invariant(
      session !== token.session,
      "I6: expected another session's lease",
      undefined,
      session,
    );
    const began = this.#monotonic();
    let text: string | undefined;
    try {
      text = await readFlag(files, layout.internal('leases', session), COUNTER_BYTES);
    } catch {
      return;
    }
    const before = this.#observations.get(session);
    const after = observe(before, parseCounter(text), began, this.#monotonic());
    const isNewer = before === undefined || after.looked >= before.looked;
    invariant(isNewer, 'I8: expected looks at a lease in their order', undefined, session);
    if (before !== undefined && after.counter > before.counter) this.#moved.add(session);
    this.#observations.set(session, after);
  }

  /** I6: reads the lease once more, right before a recovery: the last read may be old, and a stopped session may be back. */
  async isDeadNow(session: string): Promise<boolean> {
    await this.#look(session);
    const looked = this.#observations.get(session)?.looked ?? Number.NEGATIVE_INFINITY;
    return this.isDead(session) && this.#monotonic() - looked < this.#lease / READS_PER_LEASE;
  }

  isDead(session: string): boolean {
    const observation = this.#observations.get(session);
    return observation !== undefined && isDead(observation, this.#lease);
  }

  /** Has the counter of this session moved since this watch began, and is it not dead? */
  isAlive(session: string): boolean {
    return this.#moved.has(session) && !this.isDead(session);
  }

  /** A session that was recovered counts again once its counter moves: what sessions share must not change hands each lease. */
  living(): string[] {
    return [...this.#observations.keys()].filter(
      (session) =>
        !this.isDead(session) && (this.#moved.has(session) || !this.#recovered.has(session)),
    );
  }

  dead(): string[] {
    return [...this.#observations.keys()].filter((session) => this.isDead(session));
  }

  /** Watches a session from now on, lease or not: another session may have broken the lease, and crashed before it was through. */
  watch(session: string): void {
    if (this.#observations.has(session)) return;
    this.#observations.set(session, observe(undefined, undefined, this.#monotonic()));
  }

  forget(session: string): void {
    this.#observations.delete(session);
    this.#moved.delete(session);
    this.#recovered.add(session);
  }
}
