/** Logs other programs' flags on the volume: one that is left out of the pairing, and claims that a worker waits for. */
import type { Log } from '../engine/ports.ts';

const INTERVAL_MS = 60_000;
const MAX_LOGGED_NAMES = 10;

export class ForeignFlagLog {
  readonly #log: Log;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log) {
    this.#log = log;
  }

  leftOut(flag: string): void {
    this.#log.warn(
      { flag },
      `the flag ${flag} in workers/ claims nothing: left out of the pairing; ` +
        'if its program has gone, "flockwork reset --workers" removes it',
    );
  }

  /** Called when the worker has nothing else to do; logs once a minute. `now`: monotonic ms. */
  waitsFor(states: readonly string[], now: number): void {
    if (states.length === 0 || now - this.#loggedAt < INTERVAL_MS) return;
    this.#loggedAt = now;
    const rest = states.length - MAX_LOGGED_NAMES;
    const more = rest > 0 ? ` and ${rest} more` : '';
    this.#log.warn(
      { states },
      `waiting for flags of another program in in_progress/: ${states.slice(0, MAX_LOGGED_NAMES).join(', ')}${more}; ` +
        'if it has gone, "flockwork reset --in-progress" removes them',
    );
  }
}
