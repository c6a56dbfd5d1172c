/** The volume's time as one session knows it, from the samples of its heartbeat. */
import type { Clock } from '../engine/ports.ts';
import { cycleStart, type Interval, type PhaseLengths } from './phases/cycle.ts';
import {
  addSample,
  estimateAt,
  formatInstant,
  intervalAt,
  startVolumeClock,
  uncertaintyAt,
  type ClockSample,
  type VolumeClock,
} from './phases/volume-clock.ts';

export class VolumeTime {
  readonly #clock: Clock;
  readonly #phases: PhaseLengths;
  readonly #isOwn: boolean;
  #known: VolumeClock = startVolumeClock();
  /** The last stamp: a group commit asks for many in a millisecond. */
  #stamped = { time: Number.NaN, text: formatInstant(Number.NaN) };

  /** The time must be known to within a buffer. `isOwn`: this host's kernel stamps the files. */
  constructor(clock: Clock, phases: PhaseLengths, isOwn: boolean) {
    this.#clock = clock;
    this.#phases = phases;
    this.#isOwn = isOwn;
  }

  add(sample: ClockSample): void {
    this.#known = addSample(this.#known, sample);
  }

  /** Undefined while it is too uncertain to act on. */
  interval(): Interval | undefined {
    const clock = this.#clock;
    const interval = intervalAt(this.#known, clock.now(), clock.monotonic(), this.#isOwn);
    if (interval === undefined) return undefined;
    const isExact = interval.latest - interval.earliest <= 1;
    return isExact || this.uncertainty() <= this.#phases.buffer ? interval : undefined;
  }

  /** Start of the last cycle that has certainly begun, ms: the same for all sessions that ask in one phase. */
  cycleStart(): number | undefined {
    const interval = this.interval();
    return interval && cycleStart(this.#phases, interval.earliest);
  }

  /** Milliseconds. */
  uncertainty(): number {
    return uncertaintyAt(this.#known, this.#clock.monotonic());
  }

  /** Best estimate, ISO 8601. */
  stamp(): string {
    const time = Math.floor(estimateAt(this.#known, this.#clock.monotonic()));
    if (time !== this.#stamped.time) this.#stamped = { time, text: formatInstant(time) };
    return this.#stamped.text;
  }
}
