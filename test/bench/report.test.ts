/** The page and its charts, from figures that were made up. */
import { describe, expect, test } from 'vitest';
import { chartFile, renderChart } from '../../bench/chart.ts';
import type { Row } from '../../bench/model.ts';
import { renderPage, summaryOf, type Report } from '../../bench/report.ts';
import { judge } from '../../bench/targets.ts';

const row: Row = {
  name: 'drain',
  title: ({ states }) => `Drain of ${states}`,
  metrics: [
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'cpu', unit: 'µs', digits: 1 },
    { name: 'never', unit: 'unmeasured', digits: 0 },
  ],
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
    drops: 1,
    million: 1,
    done: 1,
    seconds: 1,
  },
  systems: [facts('flockwork', 'Flockwork'), facts('bullmq', 'A|B'), facts('idler', 'Idler')],
  missing: ['Other: not there'],
  pure: [{ name: 'hash', p50: 0.1234, p99: 1, calls: 10 }],
  results: [
    {
      row: 'drain',
      system: 'flockwork',
      rounds: [
        { rate: 3000, cpu: 90 },
        { rate: 1000, cpu: 110.25 },
        { rate: 2000, cpu: 100 },
      ],
    },
    { row: 'drain', system: 'bullmq', rounds: [{ rate: 1000 }] },
  ],
};

describe('the page', () => {
  const page = renderPage(report, [row], 'speed');
  const line = (start: string): string =>
    page.split('\n').find((text) => text.startsWith(`| ${start} |`)) ?? '';

  test('medians with their spread, one round without', () => {
    expect(page).toContain('## Drain of 1000');
    expect(line('Flockwork')).toBe('| Flockwork | 2,000 (1,000–3,000) | 100.0 (90.0–110.3) |');
    expect(line('A\\|B')).toBe('| A\\|B | 1,000 | – |');
  });

  test('has no column and no line for a system that was not measured', () => {
    expect(page).not.toContain('unmeasured');
    expect(page).not.toContain('| Idler | – ');
  });

  test('targets, whether met or not', () => {
    expect(page).toContain('| drain: Flockwork against BullMQ | at least 2× | 2.00× | met |');
    expect(page).not.toContain('chains: Flockwork');
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
    const what = 'drain: Flockwork against BullMQ';
    const bullmq = { 'drain bullmq rate': 1000 };
    expect(judged({ ...bullmq, 'drain flockwork rate': 2000 })[what]).toBe(true);
    expect(judged({ ...bullmq, 'drain flockwork rate': 1999 })[what]).toBe(false);
    expect(judged(bullmq)[what]).toBeUndefined();
  });

  test('at most', () => {
    const what = 'a million pending: the first one runs';
    expect(judged({ 'million flockwork first': 5 })[what]).toBe(true);
    expect(judged({ 'million flockwork first': 5.01 })[what]).toBe(false);
  });
});

test('a metric that some rounds lack is summed up from the others', () => {
  expect(summaryOf(report, 'drain', 'bullmq', 'cpu')).toBeUndefined();
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
