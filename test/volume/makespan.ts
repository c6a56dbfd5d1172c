/** The bounds of a schedule (docs/protocol.md, "Prefetch"): how long it may take, and how long a slot may be idle. */
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  cycleLength,
  LOCAL_PHASES,
  NETWORK_PHASES,
  type PhaseLengths,
} from '../../src/volume/phases/cycle.ts';
import { schedule, type Schedule } from './moments.ts';

export interface Mix {
  /** Slots of each worker. */
  readonly concurrencies: readonly number[];
  /** Milliseconds that the tick of each step of each instance takes; all instances are there at the start. */
  readonly chains: readonly (readonly number[])[];
  readonly phases?: PhaseLengths;
}

export interface Measured {
  readonly makespan: number;
  /** Graham's bound for any order without idle slots, 5 % more, and two cycles for each wave. */
  readonly allowed: number;
  /** The longest time, in cycles, for which a worker had a free slot while a claimed state had not begun. */
  readonly wasted: number;
  readonly schedule: Schedule;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

const LEASE_CYCLES = 10;
const TOLERANCE = 1.05;
const CYCLES_PER_WAVE = 2;
/** Cycles: two, and a hundredth for the file operations in between (2.0002 was seen, which is 2 ms of a network's cycle). */
const MAX_IDLE_CYCLES = 2.01;

export async function measure({
  concurrencies,
  chains,
  phases = LOCAL_PHASES,
}: Mix): Promise<Measured> {
  const cycle = cycleLength(phases);
  const result = await schedule({
    concurrencies,
    phases,
    lease: LEASE_CYCLES * cycle,
    chains: new Map(chains.map((ticks, index) => [`i${index}`, ticks] as const)),
  });
  const { ticks } = result;
  const slots = sum(concurrencies);
  const longest = Math.max(...chains.map(sum));
  const bound = sum(chains.flat()) / slots + (1 - 1 / slots) * longest;
  const waves = Math.ceil(chains.flat().length / slots);
  return {
    makespan:
      Math.max(...ticks.map((one) => one.ended)) - Math.min(...ticks.map((one) => one.began)),
    allowed: TOLERANCE * bound + CYCLES_PER_WAVE * waves * cycle,
    wasted: longestWaste(result, concurrencies) / cycle,
    schedule: result,
  };
}

type VolumeOutcome = readonly [time: number, kind: 'idle' | 'unstarted', amount: number];

/** Milliseconds, for the worker for which it is longest. */
function longestWaste({ ticks, unstarted }: Schedule, concurrencies: readonly number[]): number {
  const first = Math.min(...ticks.map(({ began }) => began));
  const waiting = unstarted.flatMap(({ from, to }): VolumeOutcome[] => [
    [from, 'unstarted', 1],
    [to, 'unstarted', -1],
  ]);
  const wastes = concurrencies.map((concurrency, index) => {
    const own = ticks.filter(({ worker }) => worker === `w${index}`);
    const changes: VolumeOutcome[] = [
      [first, 'idle', concurrency],
      ...own.flatMap(({ began, ended }): VolumeOutcome[] => [
        [began, 'idle', -1],
        [ended, 'idle', 1],
      ]),
      ...waiting,
    ];
    changes.sort(([a], [b]) => a - b);
    const count = { idle: 0, unstarted: 0 };
    let [longest, since] = [0, undefined as number | undefined];
    for (const [place, [time, kind, amount]] of changes.entries()) {
      count[kind] += amount;
      // Changes at the same moment count together.
      if (changes[place + 1]?.[0] === time) continue;
      const isWasted = count.idle > 0 && count.unstarted > 0;
      if (isWasted) since ??= time;
      else if (since !== undefined) {
        longest = Math.max(longest, time - since);
        since = undefined;
      }
    }
    return longest;
  });
  return Math.max(...wastes);
}

const concurrencies = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

/** Milliseconds. */
const tick = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: 100, max: 1500 }),
  fc.integer({ min: 1500, max: 10_000 }),
  fc.integer({ min: 10_000, max: 60_000 }),
);
const count = fc.integer({ min: 1, max: 30 });
const equal = fc.tuple(tick, count).map(([ms, length]) => Array.from({ length }, () => [ms]));

/** Any durations; all equal; two kinds; chains of a few steps, with single states among them. */
export const mixes: fc.Arbitrary<Mix> = fc.record({
  concurrencies,
  chains: fc.oneof(
    fc.array(
      tick.map((ms) => [ms]),
      { minLength: 1, maxLength: 60 },
    ),
    equal,
    fc.tuple(equal, equal).map((kinds) => kinds.flat()),
    fc.array(fc.array(tick, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 }),
  ),
  phases: fc.constantFrom(LOCAL_PHASES, LOCAL_PHASES, NETWORK_PHASES),
});

export async function expectNoWaste(mix: Mix): Promise<void> {
  const { makespan, allowed, wasted } = await measure(mix);
  expect(makespan).toBeLessThanOrEqual(allowed);
  expect(wasted).toBeLessThanOrEqual(MAX_IDLE_CYCLES);
}
