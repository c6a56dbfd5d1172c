/**
 * What a fleet asks of its volume, by its size. Counted runs give, for each kind of operation, what a worker causes by
 * itself and what it causes for each other worker:
 *
 *   operations a second = workers × alone + workers × (workers − 1) × each other
 *
 * except for operations on states, which are counted per state. All rates are per second. Pure.
 */
import type { Method } from '../../src/sim/faults.ts';

/**
 * `states`: operations on a state, its flags and its records. `cycles`: looks, listings, and the worker's own flag.
 * `beats`: heartbeats. `roster`: flags and tokens of all workers, read every cycle. `leases`, `claims`: those of all
 * workers, read several times a lease.
 */
export type OperationKind = 'states' | 'cycles' | 'beats' | 'roster' | 'leases' | 'claims';

/** What a fleet without faults did in so many seconds. */
export interface Count {
  readonly workers: number;
  readonly seconds: number;
  /** Operations by what they are and where: `stat done/`, `list done`, `read STATE`. */
  readonly tally: Readonly<Record<string, number>>;
}

export interface Share {
  readonly alone: number;
  readonly eachOther: number;
}

export interface Costs {
  readonly perState: number;
  /** Steps that a worker commits a second. */
  readonly statesPerWorker: number;
  /** Of a worker, of the two directories that grow with the work: the root, and `done/`. */
  readonly listings: number;
  readonly shares: Readonly<Record<'cycles' | 'beats' | 'roster' | 'leases' | 'claims', Share>>;
}

export interface Prediction {
  readonly states: number;
  /** All operations. */
  readonly operations: number;
  /** Of `operations`, what grows with the square of the workers. */
  readonly squared: number;
  readonly listings: number;
}

const STATE = 'STATE';

/** `path`: from the volume's root. */
export function tallyKey(method: Method, path: string): string {
  const [place = '', name] = path.replace(/^\.flockwork\//, '').split('/');
  if (name !== undefined) return `${method} ${place}/`;
  return `${method} ${/\.state(-\d+)?$/.test(place) ? STATE : place || '.'}`;
}

/** Files in these are read for each worker, or for each claim. */
const READ: Readonly<Record<string, OperationKind>> = {
  'workers/': 'roster',
  'sessions/': 'roster',
  'leases/': 'leases',
  'in_progress/': 'claims',
};
const OF_STATES = new Set([STATE, 'in_progress/', 'done/', 'failed/', 'staging/', 'attempts/']);

function kindOf(key: string): OperationKind {
  const [method, place = ''] = key.split(' ');
  // Syncs and journal lines: one for each batch of states that are settled together.
  if (method === 'sync' || method === 'append') return 'states';
  if (method === 'overwrite') return 'beats';
  if (method === 'read' && READ[place] !== undefined) return READ[place];
  return OF_STATES.has(place) ? 'states' : 'cycles';
}

export function byKind({ tally }: Count): Record<OperationKind, number> {
  const kinds = { states: 0, cycles: 0, beats: 0, roster: 0, leases: 0, claims: 0 };
  for (const [key, times] of Object.entries(tally)) kinds[kindOf(key)] += times;
  return kinds;
}

/** Steps committed. */
export function commitsOf({ tally }: Count): number {
  return tally['link done/'] ?? 0;
}

export function operationsOf({ tally }: Count): number {
  return Object.values(tally).reduce((sum, times) => sum + times, 0);
}

/** `counts`: of one setting, with fleets of at least two sizes. */
export function fitCosts(counts: readonly Count[]): Costs {
  const sum = (of: (count: Count) => number): number =>
    counts.reduce((total, count) => total + of(count), 0);
  const times = (key: string): number => sum(({ tally }) => tally[key] ?? 0);
  const workerSeconds = sum(({ workers, seconds }) => workers * seconds);
  const commits = Math.max(1, sum(commitsOf));
  const share = (kind: OperationKind): Share =>
    fitShare(
      counts.map((count) => ({
        others: count.workers - 1,
        rate: byKind(count)[kind] / count.seconds / count.workers,
      })),
    );
  return {
    perState: sum((count) => byKind(count).states) / commits,
    statesPerWorker: sum(commitsOf) / workerSeconds,
    listings: (times('list .') + times('list done')) / workerSeconds,
    shares: {
      cycles: share('cycles'),
      beats: share('beats'),
      roster: share('roster'),
      leases: share('leases'),
      claims: share('claims'),
    },
  };
}

interface Point {
  /** Workers besides this one. */
  readonly others: number;
  /** Operations of one worker. */
  readonly rate: number;
}

/** The straight line through the points, by least squares. */
function fitShare(points: readonly Point[]): Share {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [middle, height] = [mean(({ others }) => others), mean(({ rate }) => rate)];
  const rise = mean(({ others, rate }) => (others - middle) * (rate - height));
  // A worker does not do less because there are more of them: a negative slope is chance.
  const eachOther = Math.max(0, rise / mean(({ others }) => (others - middle) ** 2));
  return { alone: Math.max(0, height - eachOther * middle), eachOther };
}

/** `states`: steps a second, where they are fewer than the workers can do. */
export function predict(
  costs: Costs,
  workers: number,
  states: number = workers * costs.statesPerWorker,
): Prediction {
  const shares = Object.values(costs.shares);
  const alone = workers * shares.reduce((sum, share) => sum + share.alone, 0);
  const squared = workers * (workers - 1) * shares.reduce((sum, share) => sum + share.eachOther, 0);
  return {
    states,
    operations: states * costs.perState + alone + squared,
    squared,
    listings: workers * costs.listings,
  };
}
