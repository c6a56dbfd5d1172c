/** `npm run bench -- scale`: predicts what fleets of any size ask of their volume from small ones that are counted. */
import { table } from '../../src/cli/tables.ts';
import { formatDuration } from '../../src/machine/duration.ts';
import { cycleLength } from '../../src/volume/phases/cycle.ts';
import { SMALL_BACKLOG_STATES, MAX_LISTING_SHARE } from '../../src/volume/phases/claim-plan.ts';
import { fitCosts, predict, type Costs, type Count } from './cost-model.ts';
import { countOperations, fleetsOf, statesOf, type Setting, type Stock } from './counting.ts';
import { parseScaleOptions, SCALE_HELP } from './options.ts';

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

/** Resolves to what is to be printed. Throws as `parseScaleOptions`. */
export async function predictScale(
  args: readonly string[],
  progress: (text: string) => void,
): Promise<string> {
  const { help, setting, workers: fleets, states: stocks, json } = parseScaleOptions(args);
  if (help) return SCALE_HELP;
  const counts: Partial<Record<Stock, Count[]>> = {};
  const costs: CostsByStock = {};
  for (const stock of ['none', 'few', 'many'] as const) {
    const counted: Count[] = [];
    for (const workers of fleetsOf(setting, stock)) {
      progress(`counting: ${workers} workers, ${statesOf(setting, stock, workers)} states`);
      counted.push(await countOperations(setting, stock, workers));
    }
    // So few states that they are done at once have no rate.
    if (counted.length < 2) continue;
    counts[stock] = counted;
    costs[stock] = fitCosts(counted);
  }
  const rows = fleets.flatMap((workers) =>
    stocks.flatMap((states) => rowOf(setting, costs, workers, states)),
  );
  return json ? JSON.stringify({ setting, counts, costs, rows }) : describe(costs, rows, setting);
}

/** A worker whose slice has fewer states than it gets through in a cycle lists again, as without a backlog. */
function stockOf({ concurrency, tick, phases }: Setting, workers: number, states: number): Stock {
  if (states === 0) return 'none';
  const demand = concurrency * (1 + cycleLength(phases) / tick);
  return states < SMALL_BACKLOG_STATES || states / workers < demand ? 'few' : 'many';
}

/** No row where nothing was counted. */
function rowOf(
  setting: Setting,
  costsByStock: CostsByStock,
  workers: number,
  states: number,
): Row[] {
  const costs = costsByStock[stockOf(setting, workers, states)];
  if (costs === undefined) return [];
  // With more free slots than states all of them are ticked at once.
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
      names: Math.min(
        predicted.listings * states,
        (workers * MAX_LISTING_SHARE) / SECONDS_PER_NAME,
      ),
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
  few: `below ${number(SMALL_BACKLOG_STATES)} states`,
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

/** One decimal below 100, none above. */
function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}
