/** What a worker says of another program's flags on its volume: one that is left out of the pairing, and those it waits for. */
import type { Log } from '../engine/ports.ts';

const INTERVAL_MS = 60_000;
/** Names in one line. */
const NAMED = 10;

export class ForeignFlagLog {
  readonly #log: Log;
  #said = Number.NEGATIVE_INFINITY;

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

  /** With nothing else to do; says so once a minute. `now`: on the monotonic clock, ms. */
  waitsFor(states: readonly string[], now: number): void {
    if (states.length === 0 || now - this.#said < INTERVAL_MS) return;
    this.#said = now;
    const more = states.length > NAMED ? ` and ${states.length - NAMED} more` : '';
    this.#log.warn(
      { states },
      `waiting for flags of another program in in_progress/: ${states.slice(0, NAMED).join(', ')}${more}; ` +
        'if it has gone, "flockwork reset --in-progress" removes them',
    );
  }
}
