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

interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

interface Target extends Bounds {
  readonly what: string;
  readonly figure: Figure;
  /** Divisor of the figure. */
  readonly by?: Figure;
  readonly unit: string;
}

/** `place`: row, system and metric. */
const figure = (place: string): Figure => {
  const [row = '', system = '', metric = ''] = place.split(' ');
  return { row, system, metric };
};
/** One figure. */
const of = (what: string, place: string, unit: string, bounds: Bounds): Target => ({
  what,
  figure: figure(place),
  unit,
  ...bounds,
});
/** One figure of Flockwork over that of another system, in the same row. */
const ratio = (what: string, row: string, metric: string, by: string, bounds: Bounds): Target => ({
  what,
  figure: figure(`${row} flockwork ${metric}`),
  by: figure(`${row} ${by} ${metric}`),
  unit: '×',
  ...bounds,
});
const cpu = (row: string, by: string, title: string, most: number): Target =>
  ratio(`${row}: processor time against ${title}`, row, 'cpu', by, { most });

const ALWAYS = 'BullMQ, AOF always';
const SECONDS = ' s';
const MS = ' ms';
const CORE = ' % of a core';
const CYCLES = ' cycles';

const TARGETS: readonly Target[] = [
  cpu('drain', 'floor-2', 'the floor, two processes', 1.8),
  cpu('drain', 'bullmq', 'BullMQ', 0.75),
  cpu('drain', 'bullmq-always', ALWAYS, 0.65),
  ratio(`drain: rate against ${ALWAYS}`, 'drain', 'rate', 'bullmq-always', { least: 1.5 }),
  cpu('chains', 'bullmq', 'BullMQ', 0.85),
  cpu('chains', 'bullmq-always', ALWAYS, 0.75),
  ratio('chains: rate against graphile-worker, batched', 'chains', 'rate', 'graphile-batched', {
    least: 8,
  }),
  of('tasks of 50 ms: time against the ideal', 'sleep flockwork ideal', '×', { most: 1.05 }),
  of('a million pending: the first one runs', 'million flockwork first', SECONDS, { most: 3 }),
  of('a million pending: memory of a worker, to the last one', 'million flockwork worker', ' MB', {
    most: 350,
  }),
  of('a million pending: status', 'bulk flockwork pending', SECONDS, { most: 4 }),
  of('a million done: status', 'bulk flockwork done', SECONDS, { most: 4 }),
  of('submit --count of a million', 'bulk flockwork submit', SECONDS, { most: 90 }),
  of('a million done: up', 'bulk flockwork up', SECONDS, { most: 3 }),
  of('--version', 'start flockwork version', MS, { most: 60 }),
  of('status of an empty volume', 'start flockwork status', MS, { most: 200 }),
  of('a worker is registered', 'start flockwork registered', MS, { most: 350 }),
  of('rate of 8 workers against 2', 'many flockwork share', '×', { least: 0.7 }),
  of('64 idle workers, together', 'watchers flockwork idle', CORE, { most: 15 }),
  of('64 paused workers, together', 'watchers flockwork paused', CORE, { most: 15 }),
  of('latency: median', 'latency flockwork cycles50', CYCLES, { most: 0.45 }),
  of('latency: 99 %', 'latency flockwork cycles99', CYCLES, { most: 1 }),
  of('latency with --eager: median', 'latency flockwork-eager p50', MS, { most: 5 }),
  of('latency with --eager: 99 %', 'latency flockwork-eager p99', MS, { most: 65 }),
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
