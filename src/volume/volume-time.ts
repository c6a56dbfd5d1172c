/** The volume's time as one session knows it, from the samples of its heartbeat. */
import type { Clock } from '../engine/ports.ts';
import { cycleStart, type Interval, type PhaseLengths } from './phases/cycle.ts';
import {
  addSample,
  estimateAt,
  formatInstant,
  intervalAt,
  MAX_STEP_MS,
  readClocks,
  startVolumeClock,
  stepSince,
  uncertaintyAt,
  type ClockSample,
  type HostMoment,
  type VolumeClock,
} from './phases/volume-clock.ts';
import type { TimeDoubt } from './operations.ts';

export class VolumeTime {
  readonly #monotonic: () => number;
  readonly #wall: () => number;
  readonly #phases: PhaseLengths;
  readonly #isOwn: boolean;
  #known: VolumeClock = startVolumeClock();
  /** Of the last `interval`. */
  #doubt: TimeDoubt = {};
  /** The last stamp: a group commit asks for many in a millisecond. */
  #stamped = { time: Number.NaN, text: formatInstant(Number.NaN) };

  /** The time must be known to within a buffer. `isOwn`: this host's kernel stamps the files. */
  constructor(clock: Clock, phases: PhaseLengths, isOwn: boolean) {
    this.#monotonic = () => clock.monotonic();
    this.#wall = () => clock.now();
    this.#phases = phases;
    this.#isOwn = isOwn;
  }

  add(sample: ClockSample): void {
    this.#known = addSample(this.#known, sample);
  }

  /** Undefined while it is too uncertain to act on. */
  interval(): Interval | undefined {
    const now = readClocks(this.#monotonic, this.#wall);
    const interval = intervalAt(this.#known, now.wall, now.monotonic, this.#isOwn);
    if (interval === undefined) return this.#refuse(now);
    const isExact = interval.latest - interval.earliest <= 1;
    const uncertainty = uncertaintyAt(this.#known, now.monotonic);
    if (isExact || uncertainty <= this.#phases.buffer) return interval;
    this.#doubt = { uncertainty: Math.ceil(uncertainty), buffer: this.#phases.buffer };
    return undefined;
  }

  /** Before the first sample, nothing was compared. */
  #refuse(now: HostMoment): undefined {
    const clockStep = Math.ceil(Math.abs(stepSince(this.#known, now)));
    this.#doubt = Number.isNaN(clockStep) ? {} : { clockStep, maxClockStep: MAX_STEP_MS };
    return undefined;
  }

  /** Start of the last cycle that has certainly begun, ms: the same for all sessions that ask in one phase. */
  cycleStart(): number | undefined {
    const interval = this.interval();
    return interval && cycleStart(this.#phases, interval.earliest);
  }

  /** Why the last `interval` was undefined. */
  get doubt(): TimeDoubt {
    return this.#doubt;
  }

  /** Best estimate, ISO 8601. */
  stamp(): string {
    const time = Math.floor(estimateAt(this.#known, this.#monotonic()));
    if (time !== this.#stamped.time) this.#stamped = { time, text: formatInstant(time) };
    return this.#stamped.text;
  }
}
