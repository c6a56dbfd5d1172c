/** The command line of `npm run bench -- scale`. */
import { parseArgs } from 'node:util';
import { defaultTiming } from '../../src/api/open-volume.ts';
import { formatDuration, parseDuration } from '../../src/machine/duration.ts';
import { UserError } from '../../src/machine/errors.ts';
import { checkPhaseLengths, cycleLength } from '../../src/volume/phases/cycle.ts';
import type { Leaves, Setting } from './counting.ts';

export interface ScaleOptions {
  readonly help: boolean;
  readonly setting: Setting;
  /** Sizes to predict for. */
  readonly workers: readonly number[];
  readonly states: readonly number[];
  readonly json: boolean;
}

const WORKERS = [10, 100, 1000, 10_000];
const STATES = [0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
const LEAVES: readonly string[] = ['nothing', 'output', 'successor'] satisfies Leaves[];
/** With shorter ticks a small fleet gets through more states than a simulator can hold. */
const MIN_TICK_MS = 100;
const PHASES = ['assignment', 'commitment', 'update', 'buffer'] as const;

export const SCALE_HELP: string = `npm run bench -- scale [OPTIONS]

Predicts the file operations per second of fleets of any size, from counted simulator runs without faults (docs/scale.md).

  --workers N, --states N  predict for this size only
  --concurrency N          ticks of a worker at a time (4)
  --tick DURATION          mean length of a tick, ${MIN_TICK_MS}ms at least (1s)
  --leaves WHAT            what each step leaves besides its flag: ${LEAVES.join(', ')} (nothing)
  --network                the phases and the lease of network file systems
  --lease, --assignment, --commitment, --update, --buffer DURATION
  --json                   with all that was counted`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const DECLARED = {
  help: flag,
  json: flag,
  network: flag,
  workers: text,
  states: text,
  concurrency: text,
  tick: text,
  leaves: text,
  lease: text,
  assignment: text,
  commitment: text,
  update: text,
  buffer: text,
} as const;
type Values = ReturnType<typeof parseArgs<{ options: typeof DECLARED }>>['values'];

/** Throws `usage`, `bad-duration` and `bad-phases`. */
export function parseScaleOptions(words: readonly string[]): ScaleOptions {
  const values = parse(words);
  return {
    help: values.help === true,
    setting: settingOf(values),
    workers: values.workers === undefined ? WORKERS : [wholeNumber('workers', values.workers)],
    states: values.states === undefined ? STATES : [wholeNumber('states', values.states)],
    json: values.json === true,
  };
}

function parse(words: readonly string[]): Values {
  try {
    return parseArgs({ args: [...words], options: DECLARED }).values;
  } catch (error) {
    throw badOption(`${(error as Error).message}; see npm run bench -- scale --help`);
  }
}

function settingOf(values: Values): Setting {
  const network = values.network === true;
  const { phases, lease } = defaultTiming(network);
  const duration = (name: 'tick' | 'lease' | (typeof PHASES)[number], ms: number): number =>
    parseDuration(values[name] ?? ms);
  const lengths = PHASES.map((phase) => [phase, duration(phase, phases[phase])] as const);
  const setting: Setting = {
    phases: Object.fromEntries(lengths) as unknown as Setting['phases'],
    lease: duration('lease', lease),
    concurrency:
      values.concurrency === undefined ? 4 : wholeNumber('concurrency', values.concurrency),
    tick: duration('tick', 1000),
    leaves: (values.leaves ?? 'nothing') as Leaves,
    network,
  };
  refuse(setting);
  return setting;
}

function refuse({ phases, lease, tick, leaves }: Setting): void {
  if (!LEAVES.includes(leaves)) {
    throw badOption(`--leaves: expected one of ${LEAVES.join(', ')}, got "${leaves}"`);
  }
  const problem = checkPhaseLengths(phases);
  if (problem !== undefined) throw new UserError('bad-phases', problem, { ...phases });
  const cycle = cycleLength(phases);
  if (lease < cycle) {
    throw badOption(`--lease must be at least as long as a cycle, ${formatDuration(cycle)}`);
  }
  if (tick < MIN_TICK_MS) {
    throw badOption(
      `--tick must be at least ${MIN_TICK_MS}ms; for shorter ticks the volume is the limit: ` +
        `divide the operations that it can do in a second by those of one state`,
    );
  }
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number > 0) return number;
  throw badOption(`--${name}: expected a whole number above 0, got "${value}"`);
}

const badOption = (message: string): UserError => new UserError('usage', message);
