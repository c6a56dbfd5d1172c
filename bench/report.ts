/** What a run found, and how it reads: the page, from the figures alone. */
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../src/machine/errors.ts';
import { chartFile } from './chart.ts';
import { MAX_FOREIGN_CORES } from './foreign.ts';
import type { Amounts, Measured, Metric, Row } from './model.ts';
import type { PureResult } from './pure.ts';
import { summarize, type Summary } from './statistics.ts';
import { judge } from './targets.ts';

export interface Result {
  readonly row: string;
  readonly system: string;
  readonly rounds: readonly Measured[];
}

export interface SystemFacts {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly settings: string;
}

export interface Report {
  /** ISO 8601. */
  readonly date: string;
  /** What of the machine matters → what it is. */
  readonly machine: Readonly<Record<string, string>>;
  readonly amounts: Amounts;
  readonly systems: readonly SystemFacts[];
  /** What could not be measured, and why. */
  readonly missing: readonly string[];
  readonly pure: readonly PureResult[];
  readonly results: readonly Result[];
  /** `ROW of TITLE` → date: what was measured again after the rest. */
  readonly again?: Readonly<Record<string, string>>;
}

/**
 * The report with the results of `part` in the place of its own. Throws `usage` if these are not of the same machine, or of
 * other amounts.
 */
export function withPart(report: Report, part: Report): Report {
  for (const [what, key] of [
    ['on another machine', 'machine'],
    ['with other amounts', 'amounts'],
  ] as const) {
    if (isDeepStrictEqual(report[key], part[key])) continue;
    const texts = [report, part].map((one) => JSON.stringify(one[key]));
    throw new UserError('usage', `the stored figures were measured ${what}: ${texts.join(', ')}`);
  }
  const titles = new Map(part.systems.map(({ name, title }) => [name, title]));
  const places = part.results.map(({ row, system }) => `${row} of ${titles.get(system) ?? system}`);
  const isAgain = ({ row, system }: Result): boolean =>
    part.results.some((one) => one.row === row && one.system === system);
  const isOver = (missing: string): boolean =>
    places.some((place) => missing.startsWith(`${place}: `));
  const known = new Map([...report.systems, ...part.systems].map((one) => [one.name, one]));
  return {
    ...report,
    systems: [...known.values()],
    missing: [...report.missing.filter((one) => !isOver(one)), ...part.missing],
    pure: part.pure.length > 0 ? part.pure : report.pure,
    results: [...report.results.filter((one) => !isAgain(one)), ...part.results],
    again: { ...report.again, ...Object.fromEntries(places.map((place) => [place, part.date])) },
  };
}

const INTRO = `# Performance

For users who compare Flockwork with other queues, and for contributors who change its speed. After reading this page you
know what was measured on one machine, against which systems and targets, and how to repeat it. [scale.md](scale.md) is about
larger fleets.

\`npm run bench\` writes this page. It runs the same work on Flockwork and on other systems, on one machine, in one run. The
systems take turns in every round, so that other load on the machine affects all of them alike. Figures are medians, with
the smallest and the largest in brackets. \`npm run bench -- --help\` says how to run a part of it, and
[performance.json](performance.json) has every round.

Processor time comes first: that of all processes of a system, servers included, user and system time. It is what a state
costs on a machine that has other work, and other load distorts it least. The rate beside it also depends on how much of
the machine a system can use at a time.

Foreign load is what everything else on the machine took in a round. A round with more than ${MAX_FOREIGN_CORES} cores of it is repeated.
The kernel's own threads count to neither side, since they write for all.

BullMQ is measured on Redis without persistence, where nothing is durable, and on an append-only file that is fsynced each
second or always. Flockwork and the queues on PostgreSQL are durable, as they are by default, so \`always\` is the fair
comparison. The _floor_ is a loop of the fewest file system calls that a state needs, without claims by other workers,
decisions or recovery.`;

export function summaryOf(
  { results }: Pick<Report, 'results'>,
  row: string,
  system: string,
  metric: string,
): Summary | undefined {
  const found = results.find((one) => one.row === row && one.system === system);
  const values = (found?.rounds ?? []).flatMap((measured) => measured[metric] ?? []);
  return values.length === 0 ? undefined : summarize(values);
}

/** `rows`: what the results are of, in their order. `base`: the page's file name without `.md`. */
export function renderPage(report: Report, rows: readonly Row[], base: string): string {
  const parts = [
    INTRO,
    renderTargets(report),
    renderLosses(report, rows),
    ...rows.map((row) => renderRow(report, row, base)),
    renderPure(report),
    renderConditions(report),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function renderTargets(report: Report): string {
  const judged = judge((row, system, metric) => summaryOf(report, row, system, metric)?.median);
  if (judged.length === 0) return '';
  const lines = judged.map(({ what, target, value, isMet }) => [
    what,
    target,
    value,
    isMet ? 'met' : '**not met**',
  ]);
  return `## Targets\n\n${renderTable(['', 'target', 'measured', ''], lines)}`;
}

/** Rows in which other systems take less of the first metric than Flockwork as it comes. */
function renderLosses(report: Report, rows: readonly Row[]): string {
  const lines = rows.flatMap((row): string[][] => {
    const [metric] = row.metrics;
    if (metric === undefined) return [];
    const median = (name: string): number =>
      summaryOf(report, row.name, name, metric.name)?.median ?? Number.POSITIVE_INFINITY;
    const winners = report.systems
      .filter(({ name }) => isPeer(name) && median(name) < median('flockwork'))
      .toSorted((a, b) => median(a.name) - median(b.name))
      .map(({ name, title }) => `${title} (${numberText(median(name), metric)})`);
    const own = numberText(median('flockwork'), metric);
    return winners.length === 0 ? [] : [[row.name, metric.unit, own, winners.join(', ')]];
  });
  if (lines.length === 0) return '';
  return `## Where others take less\n\n${renderTable(['', '', 'Flockwork', 'others'], lines)}`;
}

/** Another system that does the same work: not a floor. */
function isPeer(name: string): boolean {
  return !name.startsWith('flockwork') && !name.startsWith('floor');
}

function renderRow(report: Report, row: Row, base: string): string {
  const systems = report.systems.filter(({ name }) =>
    report.results.some((one) => one.row === row.name && one.system === name),
  );
  if (systems.length === 0) return '';
  const metrics = row.metrics.filter((metric) =>
    systems.some(({ name }) => summaryOf(report, row.name, name, metric.name) !== undefined),
  );
  const lines = systems.map(({ name, title }) => [
    title,
    ...metrics.map((metric) => renderCell(summaryOf(report, row.name, name, metric.name), metric)),
  ]);
  const charts = metrics
    .filter(({ name }) => row.charts.includes(name))
    .map(({ name, unit }) => `![${unit}](${chartFile(base, row.name, name)})`);
  const table = renderTable(['', ...metrics.map(({ unit }) => unit)], lines);
  const bound = `Bounded by ${row.bound}`;
  return [`## ${row.title(report.amounts)}`, table, bound, ...charts, ...row.notes].join('\n\n');
}

function numberText(value: number, { digits }: Metric): string {
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

function renderCell(summary: Summary | undefined, metric: Metric): string {
  if (summary === undefined) return '–';
  const text = (value: number): string => numberText(value, metric);
  const { median, min, max, rounds } = summary;
  return rounds === 1 ? text(median) : `${text(median)} (${text(min)}–${text(max)})`;
}

function renderPure({ pure }: Report): string {
  if (pure.length === 0) return '';
  const lines = pure.map(({ name, p50, p99 }) => [name, p50.toFixed(2), p99.toFixed(2)]);
  return `## The pure parts\n\n${renderTable(['', 'µs a call, p50', 'p99'], lines)}`;
}

function renderConditions(report: Report): string {
  const { date, machine, systems, missing, again = {} } = report;
  const later = Object.entries(again).map(
    ([place, day]) => `${place} again on ${day.slice(0, 10)}`,
  );
  const facts = Object.entries({
    ...machine,
    date: [date.slice(0, 10), ...later].join('; '),
    'foreign load': foreignText(report),
  });
  const settings = systems.map(({ title, version, settings: text }) => [title, version, text]);
  return [
    '## Conditions',
    renderTable(['', ''], facts),
    renderTable(['system', 'version', 'settings'], settings),
    ...missing.map((one) => `Not measured: ${one}.`),
  ].join('\n\n');
}

/** In the rounds that count. */
function foreignText({ results }: Report): string {
  const rounds = results.flatMap((result) =>
    result.rounds.map(({ foreign }) => ({ ...result, foreign })),
  );
  if (rounds.length === 0) return 'not measured';
  const { median, max } = summarize(rounds.map(({ foreign }) => foreign));
  const above = rounds.filter(({ foreign }) => foreign > MAX_FOREIGN_CORES);
  const places = new Set(above.map(({ row, system }) => `${row} of ${system}`));
  const exceptions =
    places.size === 0 ? '' : `; above ${MAX_FOREIGN_CORES} in every try: ${[...places].join(', ')}`;
  return `median ${median.toFixed(2)}, at most ${max.toFixed(2)} cores${exceptions}`;
}

function renderTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = head.map(() => '---');
  return [line(head), line(rule), ...lines.map(line)].join('\n');
}
