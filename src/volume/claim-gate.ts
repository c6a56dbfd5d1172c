/** Decides whether a worker may claim: not while the volume is paused, nor before its fleet has gathered. Logs it once. */
import type { ClusterView } from './operations.ts';
import { Gathering, type GatheringOptions, type RosterLook } from './phases/fleet.ts';
import type { Log } from '../engine/ports.ts';

export class ClaimGate {
  readonly #gathering: Gathering;
  readonly #expect: number | undefined;
  readonly #log: Log;
  #paused = false;
  #hasLoggedWaiting = false;

  constructor(options: GatheringOptions, cycleMs: number, log: Log) {
    this.#gathering = new Gathering(options, cycleMs);
    this.#expect = options.expect;
    this.#log = log;
  }

  /** Called in each Worker Assignment. `self`: this worker's session. */
  mayClaim(self: string, { roster, paused }: ClusterView, now: RosterLook): boolean {
    if (paused !== this.#paused) {
      const text = paused
        ? 'the volume is paused: nothing is claimed until "flockwork resume"'
        : 'the volume is no longer paused';
      this.#log.info({}, text);
    }
    this.#paused = paused;
    this.#gather(self, roster, now);
    return !paused && this.#gathering.isOver;
  }

  #gather(self: string, roster: ClusterView['roster'], now: RosterLook): void {
    const gathering = this.#gathering;
    if (gathering.isOver) return;
    gathering.look(self, roster, now);
    const facts = { workers: gathering.seen, expect: this.#expect };
    if (!gathering.isOver && !this.#hasLoggedWaiting) {
      this.#log.info(facts, 'waiting for other workers before the first claim');
      this.#hasLoggedWaiting = true;
    }
    if (gathering.isOver && gathering.seen < (this.#expect ?? 0)) {
      this.#log.warn(facts, 'starting without some of the expected workers');
    }
  }
}
