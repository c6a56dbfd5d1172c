/** When workers do what: real ones in virtual time, on a simulated volume where nothing goes wrong but what is asked for. */
import { done, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { LOCAL_PHASES } from '../../src/semaphore/cycle.ts';
import type { Blow } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

/** Milliseconds since the epoch. */
const START = 1_700_000_000_000;
/** Characters at the head of a trace’s line: seconds since the start. */
const SECONDS = 10;

export interface Given {
  readonly workers: number;
  /** Of each. */
  readonly concurrency: number;
  /** Of a tick, ms. */
  readonly duration: number;
  /** State files. */
  readonly count: number;
  /** Milliseconds after the start; 0 if it is left out. */
  readonly due?: number;
  readonly lease?: number;
  readonly blows?: readonly Blow[];
}

/** In ms since the start: when a line was traced that mentions this. */
export async function moments(mention: string, given: Given): Promise<number[]> {
  const { workers, concurrency, duration, count, due = 0, lease = 5000, blows = [] } = given;
  const times: number[] = [];
  const tick = async ({ pause }: TickContext): Promise<Answer> => {
    await pause(duration);
    return done();
  };
  const job = machine({ name: 'job', activities: { job: { tick, timeout: '1h' } } });
  const content = JSON.stringify({ state: 'job', notBefore: new Date(START + due).toISOString() });
  const scenario = {
    seed: 'moments',
    calm: true,
    start: START,
    hosts: Array.from({ length: workers }, (_, index) => ({
      clock: { offset: 0, drift: 0, jitter: 0 },
      options: {
        worker: `w${index}`,
        phases: LOCAL_PHASES,
        lease,
        concurrency,
        capacity: 1024,
        assign: 'slices' as const,
        follow: true,
        watch: false,
        eager: false,
        freshListings: true,
        repeats: false,
        latency: 0.05,
        taken: 'EEXIST' as const,
        maxLinks: Number.POSITIVE_INFINITY,
        stamps: 'volume' as const,
      },
    })),
    instances: [],
    mischief: {},
    rates: {},
    limits: { cache: 0, duplicate: 0, slow: 0 },
    blows,
    safety: 0,
    core: Array.from({ length: workers }, (_, index) => index),
  };
  const { verdict, message } = await simulate(scenario, {
    registry: createRegistry([job]),
    stateFiles: new Map(
      Array.from({ length: count }, (_, index) => [`i${index}.state`, content] as const),
    ),
    trace: (line) => {
      if (line.includes(mention)) times.push(Number(line.slice(0, SECONDS)) * 1000);
    },
  });
  if (verdict !== 'ok') throw new Error(message);
  return times;
}
