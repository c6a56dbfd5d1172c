/**
 * A fleet's file operations as a function of its size. Counted runs give, for each kind of operation, the rate
 * of one worker alone and its rate for each other worker:
 *
 *   operations a second = workers × alone + workers × (workers − 1) × each other
 *
 * Operations on states are a constant number per state instead. All rates are per second.
 */
import type { Method } from './faults.ts';

/**
 * `states`: operations on a state, its flags and its records. `cycles`: stats and listings, and the worker's own
 * flag. `beats`: heartbeats. `roster`: flags and tokens of all workers, read every cycle. `leases`, `claims`:
 * those of all workers, read several times per lease.
 */
export type Kind = 'states' | 'cycles' | 'beats' | 'roster' | 'leases' | 'claims';

/** Operations of a fleet without faults. */
export interface Count {
  readonly workers: number;
  readonly seconds: number;
  /** Operations by method and place: `stat done/`, `list done`, `read STATE`. */
  readonly tally: Readonly<Record<string, number>>;
}

export interface Share {
  readonly alone: number;
  readonly eachOther: number;
}

export interface Costs {
  readonly perState: number;
  /** Steps that a worker commits per second. */
  readonly statesPerWorker: number;
  /** Of each worker, of the two directories that grow with the work: the root and `done/`. */
  readonly listings: number;
  readonly shares: Readonly<Record<'cycles' | 'beats' | 'roster' | 'leases' | 'claims', Share>>;
}

export interface Prediction {
  readonly states: number;
  /** All kinds together. */
  readonly operations: number;
  /** The part that grows with the square of the workers. */
  readonly squared: number;
  readonly listings: number;
}

const STATE = 'STATE';

/** `path` is relative to the volume's root. */
export function tallyKey(method: Method, path: string): string {
  const [place = '', name] = path.replace(/^\.flockwork\//, '').split('/');
  if (name !== undefined) return `${method} ${place}/`;
  return `${method} ${/\.state(-\d+)?$/.test(place) ? STATE : place || '.'}`;
}

/** Directories whose entries are read once for each worker or claim. */
const READ: Readonly<Record<string, Kind>> = {
  'workers/': 'roster',
  'sessions/': 'roster',
  'leases/': 'leases',
  'in_progress/': 'claims',
};
const OF_STATES = new Set([STATE, 'in_progress/', 'done/', 'failed/', 'staging/', 'attempts/']);

function kindOf(key: string): Kind {
  const [method, place = ''] = key.split(' ');
  // Syncs and journal lines come once for each batch of settled states.
  if (method === 'sync' || method === 'append') return 'states';
  if (method === 'overwrite') return 'beats';
  if (method === 'read' && READ[place] !== undefined) return READ[place];
  return OF_STATES.has(place) ? 'states' : 'cycles';
}

export function byKind({ tally }: Count): Record<Kind, number> {
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

/** Fits runs of one setting with fleets of at least two sizes. */
export function fitCosts(counts: readonly Count[]): Costs {
  const sum = (of: (count: Count) => number): number =>
    counts.reduce((total, count) => total + of(count), 0);
  const times = (key: string): number => sum(({ tally }) => tally[key] ?? 0);
  const workerSeconds = sum(({ workers, seconds }) => workers * seconds);
  const commits = Math.max(1, sum(commitsOf));
  const share = (kind: Kind): Share =>
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
  /** Of one worker. */
  readonly rate: number;
}

/** A straight line through the points, by least squares. */
function fitShare(points: readonly Point[]): Share {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [middle, height] = [mean(({ others }) => others), mean(({ rate }) => rate)];
  const rise = mean(({ others, rate }) => (others - middle) * (rate - height));
  // A negative slope is noise: more workers never cause fewer operations each.
  const eachOther = Math.max(0, rise / mean(({ others }) => (others - middle) ** 2));
  return { alone: Math.max(0, height - eachOther * middle), eachOther };
}

/** `states`: committed steps per second, where the workload rather than the fleet limits them. */
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
