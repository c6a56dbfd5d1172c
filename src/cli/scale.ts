/** `flockwork simulate --scale`: what fleets of any size ask of their volume, predicted from small ones that are counted. */
import { formatDuration } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { checkPhaseLengths, cycleLength } from '../volume/phases/cycle.ts';
import { fitCosts, predict, type Costs, type Count } from '../sim/cost-model.ts';
import { countOperations, fleetsOf, statesOf, type Setting, type Stock } from '../sim/counting.ts';
import { FEW, LISTING } from '../volume/phases/claim-plan.ts';
import { EXIT, type Io } from './command.ts';
import type { Settings } from './options.ts';
import { askedPhases, defaultTiming } from './phases.ts';
import { table } from './tables.ts';

const WORKERS = [10, 100, 1000, 10_000];
const STATES = [0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
/** Milliseconds: with shorter ticks a small fleet gets through more states than a simulator likes. */
const SHORTEST_TICK = 100;
/** Reading one name of a large directory: measured with readdir on ext4. */
const SECONDS_PER_NAME = 3e-6;

/** What a fleet of this size does in a second, while it has something to do. */
interface Row {
  readonly workers: number;
  /** State files in the directory. */
  readonly states: number;
  readonly statesPerSecond: number;
  /** Until all of them are done; 0 for none. */
  readonly seconds: number;
  readonly operations: number;
  readonly operationsPerWorker: number;
  /** Of the operations, what grows with the square of the workers. */
  readonly squared: number;
  /** Names that listings read. */
  readonly names: number;
}

type CostsByStock = Partial<Record<Stock, Costs>>;

/** Resolves to the exit status. Throws `usage`, `bad-phases` and `bad-setting`. */
export async function predictScale(
  settings: Settings,
  paths: readonly string[],
  io: Io,
): Promise<number> {
  refuseOthers(settings, paths);
  const setting = settingOf(settings);
  const counts: Partial<Record<Stock, Count[]>> = {};
  const costs: CostsByStock = {};
  for (const stock of ['none', 'few', 'many'] as const) {
    const counted: Count[] = [];
    for (const workers of fleetsOf(setting, stock)) {
      io.draw?.(`counting: ${workers} workers, ${statesOf(setting, stock, workers)} states`);
      counted.push(await countOperations(setting, stock, workers));
      if (io.stop.aborted) return EXIT.incomplete;
    }
    // What is so little work that it is over at once has no rate.
    if (counted.length < 2) continue;
    counts[stock] = counted;
    costs[stock] = fitCosts(counted);
  }
  io.draw?.('');
  const wanted = <Size>(given: Size | undefined, all: Size[]): Size[] =>
    given === undefined ? all : [given];
  const rows = wanted(settings.workers, WORKERS).flatMap((workers) =>
    wanted(settings.states, STATES).flatMap((states) => rowOf(setting, costs, workers, states)),
  );
  io.print(
    settings.json
      ? JSON.stringify({ setting, counts, costs, rows })
      : describe(costs, rows, setting),
  );
  return EXIT.done;
}

/** What belongs to runs with faults means nothing here. */
function refuseOthers(settings: Settings, paths: readonly string[]): void {
  const given = [
    ...(paths.length > 0 ? ['PATHS'] : []),
    ...(settings.machines.length > 0 ? ['--machines'] : []),
    ...(['seed', 'base', 'minutes', 'trace'] as const)
      .filter((name) => settings[name] !== undefined)
      .map((name) => `--${name}`),
    ...(settings.shrink ? ['--shrink'] : []),
  ];
  if (given.length === 0) return;
  const message = `${given.join(', ')}: not with --scale, which counts runs of its own; leave it out`;
  throw new UserError('usage', message, { given });
}

function settingOf(settings: Settings): Setting {
  const { phases, lease } = defaultTiming(settings.network);
  const setting: Setting = {
    phases: { ...phases, ...askedPhases(settings) },
    lease: settings.lease ?? lease,
    concurrency: settings.concurrency,
    tick: settings.tick,
    leaves: settings.leaves,
    network: settings.network,
  };
  const problem = checkPhaseLengths(setting.phases);
  if (problem !== undefined) throw new UserError('bad-phases', problem, { ...setting.phases });
  const cycle = cycleLength(setting.phases);
  if (setting.lease < cycle) {
    const message = `--lease has to be as long as a cycle at least, ${formatDuration(cycle)}`;
    throw new UserError('bad-setting', message, { lease: setting.lease, cycle });
  }
  if (setting.tick < SHORTEST_TICK) {
    const message =
      `--tick has to be ${SHORTEST_TICK}ms at least; for shorter ones the volume is the limit: ` +
      `divide the operations that it can do in a second by those of one state`;
    throw new UserError('bad-setting', message, { tick: setting.tick });
  }
  return setting;
}

/** A slice of fewer than a worker gets through is as good as no backlog: it lists again. */
function stockOf({ concurrency, tick, phases }: Setting, workers: number, states: number): Stock {
  if (states === 0) return 'none';
  const appetite = concurrency * (1 + cycleLength(phases) / tick);
  return states < FEW || states / workers < appetite ? 'few' : 'many';
}

/** None where there is no rate to speak of. */
function rowOf(
  setting: Setting,
  costsByStock: CostsByStock,
  workers: number,
  states: number,
): Row[] {
  const costs = costsByStock[stockOf(setting, workers, states)];
  if (costs === undefined) return [];
  // With more hands than states all of them are ticked at once.
  const atOnce = (states * 1000) / (setting.tick + cycleLength(setting.phases));
  const predicted = predict(costs, workers, Math.min(workers * costs.statesPerWorker, atOnce));
  return [
    {
      workers,
      states,
      statesPerSecond: predicted.states,
      seconds: states === 0 ? 0 : states / predicted.states,
      operations: predicted.operations,
      operationsPerWorker: predicted.operations / workers,
      squared: predicted.squared,
      names: Math.min(predicted.listings * states, (workers * LISTING) / SECONDS_PER_NAME),
    },
  ];
}

function describe(costs: CostsByStock, rows: readonly Row[], setting: Setting): string {
  const { phases, lease, concurrency, tick, leaves } = setting;
  const lengths = [phases.assignment, phases.commitment, phases.update].map(formatDuration);
  const head =
    `phases ${lengths.join(' ')}, buffers ${formatDuration(phases.buffer)}, lease ${formatDuration(lease)}; ` +
    `each worker ticks ${concurrency} states at a time, for about ${formatDuration(tick)}, and each leaves ` +
    (leaves === 'nothing' ? 'nothing but its flag' : `a record with its ${leaves}`);
  return [head, describeCosts(costs, setting), describeRows(rows)].join('\n\n');
}

const STOCKS: Readonly<Record<Stock, string>> = {
  none: 'idle',
  few: `below ${number(FEW)} states`,
  many: 'more states',
};

/** The model: what it counted, in the units that it grows by. */
function describeCosts(costsByStock: CostsByStock, { phases, lease }: Setting): string {
  const cycle = cycleLength(phases) / 1000;
  const one = lease / 1000;
  const given = Object.entries(costsByStock) as [Stock, Costs][];
  const line = (what: string, of: (costs: Costs) => number): string[] => [
    what,
    ...given.map(([, costs]) => number(of(costs))),
  ];
  const read = ({ shares: { leases, claims } }: Costs): number =>
    leases.eachOther + claims.eachOther;
  const ownReads = ({ shares: { leases, claims } }: Costs): number => leases.alone + claims.alone;
  return table(
    ['file operations', ...given.map(([stock]) => STOCKS[stock])],
    [
      line('for each state', (costs) => costs.perState),
      line(
        'by each worker in a cycle',
        ({ shares: { cycles, roster } }) => (cycles.alone + roster.alone) * cycle,
      ),
      line(
        'by each worker in a lease',
        (costs) => (costs.shares.beats.alone + ownReads(costs)) * one,
      ),
      line(
        'by each for each other in a cycle',
        ({ shares: { cycles, roster } }) => (cycles.eachOther + roster.eachOther) * cycle,
      ),
      line('by each for each other in a lease', (costs) => read(costs) * one),
    ],
  );
}

function describeRows(rows: readonly Row[]): string {
  return table(
    [
      'workers',
      'states',
      'states/s',
      'done in',
      'operations/s',
      'a worker',
      'of all, squared',
      'names listed/s',
    ],
    rows.map((row) => [
      number(row.workers),
      number(row.states),
      number(row.statesPerSecond),
      row.states === 0 ? 'idle' : formatDuration(Math.round(row.seconds) * 1000),
      number(row.operations),
      number(row.operationsPerWorker),
      `${Math.round((100 * row.squared) / row.operations)} %`,
      number(row.names),
    ]),
  );
}

/** Two digits, or all before the point. */
function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}
