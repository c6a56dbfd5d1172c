/**
 * Who is alive in a process: whoever has been heard of within a lease, of the time that somebody was there to listen.
 * All of them may be stopped, or kept from their turn by one tick: the first to come back must not bury the others.
 */
import type { Clock } from '../engine/ports.ts';
import { isDead } from '../volume/phases/liveness.ts';
import type { Participant } from './memory-rows.ts';

/** Of a lease: no silence between two calls counts for more. */
const MOST = 1 / 4;

export class Vigil {
  readonly #clock: Clock;
  readonly #lease: number;
  #called: number;
  /** Milliseconds for which there has been somebody. */
  #passed = 0;

  constructor(clock: Clock, lease: number) {
    this.#clock = clock;
    this.#lease = lease;
    this.#called = clock.monotonic();
  }

  now(): number {
    const now = this.#clock.monotonic();
    this.#passed += Math.min(now - this.#called, this.#lease * MOST);
    this.#called = now;
    return this.#passed;
  }

  isDead({ isOver, heard, calls }: Participant): boolean {
    return isOver || isDead({ counter: calls, since: heard, looked: this.now() }, this.#lease);
  }
}
