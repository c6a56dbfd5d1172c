/** The page and its charts, from figures that were made up. */
import { describe, expect, test } from 'vitest';
import { chartFile, renderChart } from '../../bench/chart.ts';
import type { Row } from '../../bench/model.ts';
import { renderPage, summaryOf, withPart, type Report } from '../../bench/report.ts';
import { ROWS } from '../../bench/rows/index.ts';
import { SYSTEMS } from '../../bench/systems.ts';
import { judge } from '../../bench/targets.ts';

const row: Row = {
  name: 'drain',
  title: ({ states }) => `Drain of ${states}`,
  metrics: [
    { name: 'cpu', unit: 'µs', digits: 1 },
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'never', unit: 'unmeasured', digits: 0 },
  ],
  bound: 'the processor.',
  charts: ['rate'],
  notes: ['A note.'],
  measure: () => Promise.reject(new Error('not here')),
};

const facts = (name: string, title: string): Report['systems'][number] => ({
  name,
  title,
  version: '1.0',
  settings: 'as they are',
});

const report: Report = {
  date: '2026-11-25T01:02:03.000Z',
  machine: { processor: 'some, 2 cores' },
  amounts: {
    states: 1000,
    chains: 1,
    sleeps: 1,
    events: 1,
    drops: 1,
    million: 1,
    many: 1,
    starts: 1,
    done: 1,
    watchers: 1,
    seconds: 1,
  },
  systems: [
    facts('flockwork', 'Flockwork'),
    facts('bullmq-always', 'A|B'),
    facts('bullmq', 'BullMQ'),
    facts('floor-2', 'floor'),
    facts('idler', 'Idler'),
  ],
  missing: ['Other: not there'],
  pure: [{ name: 'hash', p50: 0.1234, p99: 1, calls: 10 }],
  results: [
    {
      row: 'drain',
      system: 'flockwork',
      rounds: [
        { rate: 3000, cpu: 90, foreign: 0.1 },
        { rate: 1000, cpu: 110.25, foreign: 0.6 },
        { rate: 2000, cpu: 100, foreign: 0.2 },
      ],
    },
    { row: 'drain', system: 'bullmq-always', rounds: [{ rate: 1000, foreign: 0 }] },
    { row: 'drain', system: 'bullmq', rounds: [{ cpu: 80, foreign: 0 }] },
    { row: 'drain', system: 'floor-2', rounds: [{ cpu: 20, foreign: 0 }] },
  ],
};

describe('a part that is measured again', () => {
  const part: Report = {
    ...report,
    date: '2026-11-26T00:00:00.000Z',
    systems: [facts('flockwork', 'Flockwork')],
    missing: [],
    pure: [],
    results: [{ row: 'drain', system: 'flockwork', rounds: [{ cpu: 50, foreign: 0 }] }],
  };
  const failed = { ...report, missing: ['drain of Flockwork: it failed', ...report.missing] };

  test('takes the place of the same row and system, and the page says so', () => {
    const whole = withPart(failed, part);
    expect(summaryOf(whole, 'drain', 'flockwork', 'cpu')?.median).toBe(50);
    expect(summaryOf(whole, 'drain', 'bullmq', 'cpu')?.median).toBe(80);
    expect(whole.missing).toEqual(report.missing);
    expect(whole.systems).toEqual(report.systems);
    const page = renderPage(whole, [row], 'speed');
    expect(page).toContain('| date | 2026-11-25; drain of Flockwork again on 2026-11-26 |');
  });

  test('is not added to figures of another machine, or of other amounts', () => {
    const elsewhere = { ...part, machine: { processor: 'another' } };
    expect(() => withPart(report, elsewhere)).toThrow('on another machine');
    const larger = { ...part, amounts: { ...report.amounts, states: 7 } };
    expect(() => withPart(report, larger)).toThrow('with other amounts');
  });
});

describe('the page', () => {
  const page = renderPage(report, [row], 'speed');
  const line = (start: string): string =>
    page.split('\n').find((text) => text.startsWith(`| ${start} |`)) ?? '';

  test('medians with their spread, one round without', () => {
    expect(page).toContain('## Drain of 1000');
    expect(line('Flockwork')).toBe('| Flockwork | 100.0 (90.0–110.3) | 2,000 (1,000–3,000) |');
    expect(line('A\\|B')).toBe('| A\\|B | – | 1,000 |');
  });

  test('has no column and no line for a system that was not measured', () => {
    expect(page).not.toContain('unmeasured');
    expect(page).not.toContain('| Idler | – ');
  });

  test('targets, whether met or not', () => {
    expect(page).toContain(
      '| drain: rate against BullMQ, AOF always | at least 1.5× | 2.00× | met |',
    );
    expect(page).toContain(
      '| drain: processor time against BullMQ | at most 0.75× | 1.25× | **not met** |',
    );
    expect(page).not.toContain('chains:');
  });

  test('says what bounds a row', () => {
    expect(page).toContain('Bounded by the processor.');
  });

  test('lists the rows in which others take less, without floors', () => {
    expect(page).toContain('| drain | µs | 100.0 | BullMQ (80.0) |');
    const equal = report.results.map((one) => ({ ...one, rounds: [{ cpu: 1, foreign: 0 }] }));
    expect(renderPage({ ...report, results: equal }, [row], 'speed')).not.toContain('take less');
  });

  test('has the foreign load, and the rows that had too much of it', () => {
    const text = 'median 0.05, at most 0.60 cores; above 0.5 in every try: drain of flockwork';
    expect(page).toContain(`| foreign load | ${text} |`);
  });

  test('charts, notes, the pure parts, the conditions, what is missing', () => {
    expect(page).toContain('![states/s](speed-drain-rate.svg)');
    expect(page).toContain('A note.');
    expect(page).toContain('| hash | 0.12 | 1.00 |');
    expect(page).toContain('| date | 2026-11-25 |');
    expect(page).toContain('Not measured: Other: not there.');
  });

  test('leaves out a row that was not run', () => {
    expect(renderPage({ ...report, results: [] }, [row], 'speed')).not.toContain('Drain of');
  });
});

describe('targets', () => {
  const judged = (figures: Record<string, number>): Record<string, boolean> =>
    Object.fromEntries(
      judge((...parts) => figures[parts.join(' ')]).map(({ what, isMet }) => [what, isMet]),
    );

  test('at least', () => {
    const what = 'drain: rate against BullMQ, AOF always';
    const bullmq = { 'drain bullmq-always rate': 1000 };
    expect(judged({ ...bullmq, 'drain flockwork rate': 1500 })[what]).toBe(true);
    expect(judged({ ...bullmq, 'drain flockwork rate': 1499 })[what]).toBe(false);
    expect(judged(bullmq)[what]).toBeUndefined();
  });

  test('are of rows, systems and metrics that are measured', () => {
    const asked: string[] = [];
    judge((...place) => {
      asked.push(place.join(' '));
      return 1;
    });
    const measured = ROWS.flatMap(({ name, metrics }) =>
      SYSTEMS.filter(({ rows }) => rows.includes(name)).flatMap((system) =>
        metrics.map((metric) => `${name} ${system.name} ${metric.name}`),
      ),
    );
    expect(asked.filter((place) => !measured.includes(place))).toEqual([]);
    expect(asked.length).toBeGreaterThan(20);
  });

  test('at most', () => {
    const what = 'a million pending: the first one runs';
    expect(judged({ 'million flockwork first': 3 })[what]).toBe(true);
    expect(judged({ 'million flockwork first': 3.01 })[what]).toBe(false);
  });
});

test('a metric that some rounds lack is summed up from the others', () => {
  expect(summaryOf(report, 'drain', 'bullmq-always', 'cpu')).toBeUndefined();
  expect(summaryOf(report, 'drain', 'flockwork', 'rate')?.rounds).toBe(3);
});

describe('a chart', () => {
  const summary = { median: 50, min: 25, max: 100, rounds: 3 };
  const chart = renderChart(
    'A & "B" <C>',
    [
      { label: 'ours', summary, isOwn: true },
      { label: '<theirs>', summary: { ...summary, median: 0, min: 0, max: 0 }, isOwn: false },
    ],
    0,
  );

  test('bars as long as their medians, spread from the smallest to the largest', () => {
    expect(chart).toMatch(/class="own" x="250" y="34" width="200"/);
    expect(chart).toMatch(/x1="350" x2="650"/);
    expect(chart).toMatch(/class="other" x="250" y="60" width="0"/);
  });

  test('texts cannot break out', () => {
    expect(chart).toContain('A &amp; &quot;B&quot; &lt;C&gt;');
    expect(chart).toContain('&lt;theirs&gt;');
    expect(chart).not.toContain('<theirs>');
  });

  test('nothing but zeros has no length', () => {
    const zero = { median: 0, min: 0, max: 0, rounds: 1 };
    const none = renderChart('none', [{ label: 'a', summary: zero, isOwn: true }], 0);
    expect(none).toContain('width="0"');
    expect(none).not.toContain('NaN');
  });

  test('for dark pages too', () => {
    expect(chart).toContain('prefers-color-scheme: dark');
  });

  test('its file is named after page, row and metric', () => {
    expect(chartFile('performance', 'drain', 'rate')).toBe('performance-drain-rate.svg');
  });
});
