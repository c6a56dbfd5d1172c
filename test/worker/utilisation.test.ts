/**
 * How much of their time three workers tick, of states that take from a tenth of a second to ten: the real
 * worker in virtual time, on a simulated volume where nothing goes wrong.
 */
import { expect, test } from 'vitest';
import { done, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { cycleLength, LOCAL_PHASES } from '../../src/semaphore/cycle.ts';
import type { Scenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

const WORKERS = 3;
const CONCURRENCY = 4;
const HANDS = WORKERS * CONCURRENCY;
const CYCLE = cycleLength(LOCAL_PHASES);
/** Characters at the head of a trace’s line: seconds since the start. */
const SECONDS = 10;

const SCENARIO: Scenario = {
  seed: 'utilisation',
  calm: true,
  start: 1_700_000_000_000,
  hosts: Array.from({ length: WORKERS }, (_, index) => ({
    clock: { offset: 0, drift: 0, jitter: 0 },
    options: {
      worker: `w${index}`,
      phases: LOCAL_PHASES,
      lease: 5000,
      concurrency: CONCURRENCY,
      capacity: 1024,
      assign: 'slices',
      follow: true,
      watch: false,
      eager: false,
      freshListings: true,
      repeats: false,
      latency: 0.05,
      taken: 'EEXIST',
      maxLinks: Number.POSITIVE_INFINITY,
      stamps: 'volume',
    },
  })),
  instances: [],
  mischief: {},
  rates: {},
  limits: { cache: 0, duplicate: 0, slow: 0 },
  blows: [],
  safety: 0,
  core: [0, 1, 2],
};

/** When ticks of `duration` ms began, in ms since the start, for `count` states. */
async function beginnings(duration: number, count: number): Promise<number[]> {
  const began: number[] = [];
  const tick = async ({ pause }: TickContext): Promise<Answer> => {
    await pause(duration);
    return done();
  };
  const job = machine({ name: 'job', activities: { job: { tick, timeout: '1h' } } });
  const { verdict, message } = await simulate(SCENARIO, {
    registry: createRegistry([job]),
    stateFiles: new Map(
      Array.from({ length: count }, (_, index) => [`i${index}.state`, '{"state":"job"}']),
    ),
    trace: (line) => {
      if (line.includes('debug: tick')) began.push(Number(line.slice(0, SECONDS)) * 1000);
    },
  });
  if (verdict !== 'ok') throw new Error(message);
  return began;
}

test.each([
  [100, 2400],
  [1000, 600],
  [2000, 360],
  [10_000, 60],
])('of ticks of %d ms, all hands are busy 95 % of the time and more', async (duration, count) => {
  const began = await beginnings(duration, count);
  expect(began).toHaveLength(count);
  // Not in the first cycle, in which nobody knows how long they take, nor in the last, with too few for all.
  const [from, to] = [Math.min(...began) + CYCLE, Math.max(...began) + duration - CYCLE];
  const busy = began
    .map((start) => Math.min(to, start + duration) - Math.max(from, start))
    .reduce((sum, ms) => sum + Math.max(0, ms), 0);
  const share = busy / (HANDS * (to - from));
  console.log(`${duration} ms: ${(100 * share).toFixed(1)} % of ${Math.round(to - from)} ms`);
  expect(share).toBeGreaterThan(0.95);
});
