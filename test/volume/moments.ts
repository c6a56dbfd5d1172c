/** Real workers in virtual time, on a simulated volume with only the faults that a test asks for: what happens when. */
import { done, next, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { LOCAL_PHASES, type PhaseLengths } from '../../src/volume/phases/cycle.ts';
import type { ScheduledFault } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';
import type { GatheringOptions } from '../../src/volume/phases/fleet.ts';

/** Milliseconds since the epoch. */
const START = 1_700_000_000_000;
/** Characters at the head of a trace’s line: seconds since the start. */
const SECONDS = 10;

/** The simulated fleet. */
interface FleetGiven {
  /** Of each worker. */
  readonly concurrencies: readonly number[];
  readonly phases?: PhaseLengths;
  readonly lease?: number;
  readonly gathering?: GatheringOptions;
  readonly scheduled?: readonly ScheduledFault[];
}

/** State files by instance: how long the tick of each of its steps takes, ms. */
type Chains = ReadonlyMap<string, readonly number[]>;

interface Run extends FleetGiven {
  readonly chains: Chains;
  /** Milliseconds after the start; 0 if it is left out. */
  readonly due?: number;
  /** `time`: ms since the start. */
  readonly onLine?: (time: number, worker: string, text: string) => void;
  readonly onTick?: (instance: string, duration: number) => void;
}

export interface Given extends Omit<FleetGiven, 'concurrencies'> {
  readonly workers: number;
  /** Of each. */
  readonly concurrency: number;
  /** Of a tick, ms. */
  readonly duration: number;
  /** State files. */
  readonly count: number;
  readonly due?: number;
}

/** Milliseconds since the start at which traced lines mention this text. */
export async function moments(mention: string, given: Given): Promise<number[]> {
  const { workers, concurrency, duration, count, ...rest } = given;
  const times: number[] = [];
  await runFleet({
    ...rest,
    concurrencies: Array.from({ length: workers }, () => concurrency),
    chains: new Map(Array.from({ length: count }, (_, index) => [`i${index}`, [duration]])),
    onLine: (time, _worker, text) => {
      if (text.includes(mention)) times.push(time);
    },
  });
  return times;
}

/** One tick, and how long its state was claimed before it began. All times are ms since the start. */
export interface ScheduledTick {
  readonly instance: string;
  readonly worker: string;
  readonly began: number;
  readonly ended: number;
}

/** A claim whose tick has not begun: until it began, or was released. */
export interface UnstartedClaim {
  readonly state: string;
  readonly worker: string;
  readonly from: number;
  readonly to: number;
}

export interface Schedule {
  readonly ticks: readonly ScheduledTick[];
  readonly unstarted: readonly UnstartedClaim[];
}

/** Which worker ran what and when, until all is done. */
export async function schedule(given: FleetGiven & { chains: Chains }): Promise<Schedule> {
  const ticks: ScheduledTick[] = [];
  const unstarted: UnstartedClaim[] = [];
  const claims = new Map<string, { worker: string; from: number }>();
  const steps = new Map<string, number>();
  let [now, ticking] = [0, ''];
  const close = (state: string): void => {
    const claim = claims.get(state);
    claims.delete(state);
    if (claim !== undefined) unstarted.push({ state, ...claim, to: now });
  };
  await runFleet({
    ...given,
    onLine: (time, worker, text) => {
      now = time;
      const claimed = /^link in_progress\/(\S+): ok/.exec(text)?.[1];
      const released = /^unlink in_progress\/(\S+): ok/.exec(text)?.[1];
      if (claimed !== undefined) claims.set(claimed, { worker, from: now });
      if (released !== undefined) close(released);
      if (text === 'debug: tick') ticking = worker;
    },
    onTick: (instance, duration) => {
      const step = steps.get(instance) ?? 0;
      steps.set(instance, step + 1);
      close(step === 0 ? `${instance}.state` : `${instance}.state-${step}`);
      ticks.push({ instance, worker: ticking, began: now, ended: now + duration });
    },
  });
  return { ticks, unstarted };
}

const TIMEOUT = '10h';

async function runFleet(run: Run): Promise<void> {
  const {
    concurrencies,
    phases = LOCAL_PHASES,
    lease = 5000,
    scheduled = [],
    due = 0,
    gathering,
  } = run;
  const tick = async ({ instance, payload, pause }: TickContext): Promise<Answer> => {
    const [duration = 0, ...rest] = payload.ticks as number[];
    run.onTick?.(instance, duration);
    await pause(duration);
    return rest.length === 0 ? done() : next('job', { ticks: rest });
  };
  const job = machine({ name: 'job', activities: { job: { tick, timeout: TIMEOUT } } });
  const notBefore = new Date(START + due).toISOString();
  const scenario = {
    seed: 'moments',
    calm: true,
    start: START,
    hosts: concurrencies.map((concurrency, index) => ({
      clock: { offset: 0, drift: 0, jitter: 0 },
      options: {
        worker: `w${index}`,
        phases,
        lease,
        concurrency,
        capacity: 1024,
        assign: 'slices' as const,
        follow: true,
        watch: false,
        eager: false,
        ...(gathering !== undefined && { gathering }),
        freshListings: true,
        repeats: false,
        latency: 0.05,
        taken: 'EEXIST' as const,
        maxLinks: Number.POSITIVE_INFINITY,
        protectsLinks: false,
        stamps: 'volume' as const,
      },
    })),
    instances: [],
    tickFaults: {},
    rates: {},
    limits: { cache: 0, duplicate: 0, slow: 0 },
    scheduled,
    // What may take longer than the simulator waits for a fleet to finish takes its time before that.
    safety: [...run.chains.values()].flat().reduce((sum, ms) => sum + ms, 0),
    core: [...concurrencies.keys()],
  };
  const { verdict, message } = await simulate(scenario, {
    own: {
      registry: createRegistry([job]),
      stateFiles: new Map(
        Array.from(run.chains, ([instance, ticks]) => [
          `${instance}.state`,
          JSON.stringify({ state: 'job', payload: { ticks }, notBefore }),
        ]),
      ),
    },
    trace: (line) => {
      const time = Number(line.slice(0, SECONDS)) * 1000;
      const [worker = '', ...text] = line.slice(SECONDS).trim().split(/ +/);
      run.onLine?.(time, worker, text.join(' '));
    },
  });
  if (verdict !== 'ok') throw new Error(message);
}
