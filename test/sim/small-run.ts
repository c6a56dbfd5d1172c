/** One small run, and its variations in which a file operation fails. */
import { REFUSAL_ERRNOS, type Fault, type Method } from '../../src/sim/faults.ts';
import type { RunOutcome } from '../../src/sim/outcome.ts';
import type { ScheduledFault, Scenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

const OPTIONS = {
  phases: { assignment: 40, commitment: 60, update: 120, buffer: 30 },
  lease: 700,
  concurrency: 2,
  capacity: 4,
  assign: 'slices',
  follow: true,
  watch: false,
  eager: false,
  freshListings: true,
  repeats: false,
  latency: 0.2,
  taken: 'EEXIST',
  maxLinks: Number.POSITIVE_INFINITY,
  protectsLinks: false,
  stamps: 'volume',
} as const;

/** Two workers, a chain of two and a single state; no random faults. */
export const SMALL: Scenario = {
  seed: 'small',
  calm: false,
  start: 1_700_000_000_000,
  hosts: ['w0', 'w1'].map((worker) => ({
    clock: { offset: 0, drift: 0, jitter: 0 },
    options: { ...OPTIONS, worker },
  })),
  instances: [
    { name: 'i0', steps: 2 },
    { name: 'i1', steps: 1 },
  ],
  tickFaults: {},
  rates: {},
  limits: { cache: 0, duplicate: 0, slow: 0 },
  scheduled: [],
  safety: 3000,
  core: [0, 1],
};

/** A file operation of the run without faults. */
export interface Operation {
  readonly process: string;
  /** Counts the operations of its process from 1. */
  readonly call: number;
  readonly method: Method;
}

/** An operation and its fault. */
export interface Failure extends Operation {
  readonly fault: Fault;
}

/** A run with given faults. */
export interface Trial {
  readonly what: string;
  /** Expected ids in `RunOutcome.injected`. */
  readonly ids: readonly string[];
  readonly run: (trace?: (line: string) => void) => Promise<RunOutcome>;
}

/**
 * All operations of the processes for which `isMeant` is true; by default the first of each worker, since later
 * ones only look for remaining work. With `earlier`: of the run with that failure.
 */
export async function operationsOf(
  scenario: Scenario,
  isMeant: (process: string) => boolean = (process) => !process.includes('.'),
  earlier?: Failure,
): Promise<Operation[]> {
  const operations: Operation[] = [];
  const outcome = await simulate(scenario, {
    faults: (process, call, method) => {
      if (isMeant(process)) operations.push({ process, call, method });
      return earlier === undefined ? undefined : faultAt([earlier], process, call);
    },
  });
  if (outcome.verdict !== 'ok') throw new Error(outcome.message);
  return operations;
}

function faultAt(failures: readonly Failure[], process: string, call: number): Fault | undefined {
  return failures.find((one) => one.process === process && one.call === call)?.fault;
}

const LOST_REPLY_ERRNOS = ['EIO', 'ENOENT', 'EEXIST', 'ETIMEDOUT'];
/** A lost reply to these equals a refusal. */
const QUESTIONS: readonly Method[] = ['list', 'stat', 'read', 'sync'];

/** All faults of this operation. */
function faultsOf({ method }: Operation): Fault[] {
  const lost = QUESTIONS.includes(method) ? [] : LOST_REPLY_ERRNOS;
  return [
    ...REFUSAL_ERRNOS.map((errno) => ({ kind: 'refused', errno }) as const),
    ...lost.map((errno) => ({ kind: 'lost', errno }) as const),
    { kind: 'crash-before' },
    { kind: 'crash-after' },
    { kind: 'power' },
  ];
}

export function failing(scenario: Scenario, ...failures: readonly Failure[]): Trial {
  return {
    what: JSON.stringify(failures),
    ids: failures.map(({ process, call }) => `${process}#${call}`),
    run: (trace) =>
      simulate(scenario, {
        faults: (process, call) => faultAt(failures, process, call),
        ...(trace && { trace }),
      }),
  };
}

/** One run for each fault of each operation. */
export async function allFailures(scenario: Scenario): Promise<Trial[]> {
  const operations = await operationsOf(scenario);
  return operations.flatMap((one) =>
    faultsOf(one).map((fault) => failing(scenario, { ...one, fault })),
  );
}

/** Power cuts between any two operations. Unlike a `power` fault, they can lose all or none of the unsynced changes. */
export async function powerCuts(scenario: Scenario, keeps: readonly number[]): Promise<Trial[]> {
  const times: number[] = [];
  await simulate(scenario, {
    trace: (line) => {
      if (line.endsWith(': ok')) times.push(Number(line.slice(0, 10)) * 1000);
    },
  });
  const between = [...new Set(times)].slice(1).map((time, index) => (time + times[index]!) / 2);
  return keeps.flatMap((keep) =>
    between.map((at): Trial => {
      const fault: ScheduledFault = { id: 'fault 0', kind: 'power', at, keep, restart: 0 };
      return {
        what: JSON.stringify(fault),
        ids: [fault.id],
        run: (trace) => simulate({ ...scenario, scheduled: [fault] }, { ...(trace && { trace }) }),
      };
    }),
  );
}

/** Trials that fail, or whose injected faults differ from `ids`. */
export async function failuresOf(trials: readonly Trial[]): Promise<string[]> {
  const failures: string[] = [];
  for (const { what, ids, run } of trials) {
    const { verdict, message, injected } = await run();
    if (verdict !== 'ok') failures.push(`${what}: ${verdict}, ${message}`);
    if (injected.map(({ id }) => id).join() !== ids.join()) {
      failures.push(`expected faults ${what}, got ${JSON.stringify(injected)}`);
    }
  }
  return failures;
}
