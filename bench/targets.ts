/** Targets for the figures. */

/** The median of a row's metric for a system, if it was measured. */
export type Lookup = (row: string, system: string, metric: string) => number | undefined;

export interface Judged {
  readonly what: string;
  readonly target: string;
  readonly value: string;
  readonly isMet: boolean;
}

interface Figure {
  readonly row: string;
  readonly system: string;
  readonly metric: string;
}

interface Target {
  readonly what: string;
  readonly figure: Figure;
  /** Divisor of the figure. */
  readonly by?: Figure;
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
}

const figure = (row: string, system: string, metric: string): Figure => ({ row, system, metric });
const rate = (row: string, system: string): Figure => figure(row, system, 'rate');
const times = '×';

const TARGETS: readonly Target[] = [
  {
    what: 'drain: Flockwork against BullMQ',
    figure: rate('drain', 'flockwork'),
    by: rate('drain', 'bullmq'),
    least: 2,
    unit: times,
  },
  {
    what: 'drain: Flockwork --no-fsync against BullMQ',
    figure: rate('drain', 'flockwork-no-fsync'),
    by: rate('drain', 'bullmq'),
    least: 2,
    unit: times,
  },
  {
    what: 'drain: Flockwork --no-fsync against the floor of two processes',
    figure: rate('drain', 'flockwork-no-fsync'),
    by: rate('drain', 'floor-2'),
    least: 0.6,
    unit: times,
  },
  {
    what: 'drain: Flockwork against the durable floor of two processes',
    figure: rate('drain', 'flockwork'),
    by: rate('drain', 'floor-2-durable'),
    least: 0.4,
    unit: times,
  },
  {
    what: 'drain: Flockwork --no-fsync against Flockwork',
    figure: rate('drain', 'flockwork-no-fsync'),
    by: rate('drain', 'flockwork'),
    most: 2,
    unit: times,
  },
  {
    what: 'drain: processor time of Flockwork',
    figure: figure('drain', 'flockwork', 'cpu'),
    most: 100,
    unit: ' µs a state',
  },
  {
    what: 'chains: Flockwork against BullMQ',
    figure: rate('chains', 'flockwork'),
    by: rate('chains', 'bullmq'),
    least: 1.5,
    unit: times,
  },
  {
    what: 'chains: Flockwork against graphile-worker, batched',
    figure: rate('chains', 'flockwork'),
    by: rate('chains', 'graphile-batched'),
    least: 8,
    unit: times,
  },
  {
    what: 'tasks of 50 ms: Flockwork against the ideal',
    figure: figure('sleep', 'flockwork', 'ideal'),
    most: 1.1,
    unit: times,
  },
  {
    what: 'a million pending: the first one runs',
    figure: figure('million', 'flockwork', 'first'),
    most: 5,
    unit: ' s',
  },
  {
    what: 'a million pending: rate against the drain',
    figure: rate('million', 'flockwork'),
    by: rate('drain', 'flockwork'),
    least: 0.7,
    unit: times,
  },
  {
    what: 'a million pending: peak memory of a worker',
    figure: figure('million', 'flockwork', 'worker'),
    most: 400,
    unit: ' MB',
  },
  {
    what: 'idle worker, nothing done',
    figure: figure('idle', 'flockwork', 'empty'),
    most: 1,
    unit: ' % of a core',
  },
  {
    what: 'idle worker, many states done',
    figure: figure('idle', 'flockwork', 'full'),
    most: 1,
    unit: ' % of a core',
  },
  {
    what: 'a cycle that does nothing, many states done',
    figure: figure('idle', 'flockwork', 'cycle'),
    most: 5,
    unit: ' ms',
  },
];

/** Judges the targets whose figures were all measured. */
export function judge(lookup: Lookup): Judged[] {
  const find = ({ row, system, metric }: Figure): number | undefined => lookup(row, system, metric);
  return TARGETS.flatMap(({ what, figure: top, by, least, most, unit }) => {
    const above = find(top);
    const below = by === undefined ? 1 : find(by);
    if (above === undefined || below === undefined) return [];
    const value = above / below;
    const isMet = value >= (least ?? value) && value <= (most ?? value);
    const target = least === undefined ? `at most ${most}${unit}` : `at least ${least}${unit}`;
    return [{ what, target, value: `${value.toPrecision(3)}${unit}`, isMet }];
  });
}
