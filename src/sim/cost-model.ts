/**
 * What a fleet asks of its volume, by how large it is. Counted runs tell, of each kind of operation, what a
 * worker causes by itself, and what it causes for each other worker there is:
 *
 *   operations a second = workers × alone + workers × (workers − 1) × each other
 *
 * but for what is done to states, which is so much a state. All rates are per second.
 */
import type { Method } from './faults.ts';

/**
 * `states`: what is done to a state, its flags and its records. `cycles`: looks and listings, and the worker's own
 * flag. `beats`: signs of life. `roster`: flags and tokens of all workers, read every cycle. `leases`, `claims`:
 * those of all workers, read several times a lease.
 */
export type Kind = 'states' | 'cycles' | 'beats' | 'roster' | 'leases' | 'claims';

/** What a calm fleet did in so many seconds. */
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
  /** Steps that a worker gets through. */
  readonly statesPerWorker: number;
  /** Of each worker, of the two directories that grow with the work: the state files', and `done/`. */
  readonly listings: number;
  readonly shares: Readonly<Record<'cycles' | 'beats' | 'roster' | 'leases' | 'claims', Share>>;
}

export interface Prediction {
  readonly states: number;
  /** All of them. */
  readonly operations: number;
  /** Of these, what grows with the square of the workers. */
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

/** Reading what is in these is done for each worker, or each claim, that there is. */
const READ: Readonly<Record<string, Kind>> = {
  'workers/': 'roster',
  'sessions/': 'roster',
  'leases/': 'leases',
  'in_progress/': 'claims',
};
const OF_STATES = new Set([STATE, 'in_progress/', 'done/', 'failed/', 'staging/', 'attempts/']);

function kindOf(key: string): Kind {
  const [method, place = ''] = key.split(' ');
  // Syncs, and lines in the journal, are there once for each burst of states that are settled.
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

/** From runs of one setting with fleets of at least two sizes. */
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
  /** Workers there are besides this one. */
  readonly others: number;
  /** Of one worker. */
  readonly rate: number;
}

/** The straight line through the points, by least squares. */
function fitShare(points: readonly Point[]): Share {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [middle, height] = [mean(({ others }) => others), mean(({ rate }) => rate)];
  const rise = mean(({ others, rate }) => (others - middle) * (rate - height));
  // Nobody does less because there are more of them: what looks so is chance.
  const eachOther = Math.max(0, rise / mean(({ others }) => (others - middle) ** 2));
  return { alone: Math.max(0, height - eachOther * middle), eachOther };
}

/** `states`: steps that the fleet gets through, where that is not what its workers can do. */
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
