/** What `status` says of what it was given, and how it says that it has not seen everything. */
import { describe, expect, test } from 'vitest';
import { buildReport } from '../../src/cli/report.ts';
import { flagTable, progressLine } from '../../src/cli/tables.ts';
import type { Census } from '../../src/volume/census.ts';
import type { JournalEntry } from '../../src/store/session.ts';
import type { Overview } from '../../src/volume/overview.ts';

const NOW = Date.UTC(2026, 0, 1);

const CENSUS: Census = {
  available: 0,
  delayed: 0,
  inProgress: 0,
  waiting: 0,
  events: 0,
  done: 0,
  archived: 0,
  isArchiveSampled: false,
  failed: 0,
  names: { available: [], inProgress: [], failed: [] },
};

function entry(worker: string, ago: number, change: Partial<JournalEntry> = {}): JournalEntry {
  return {
    started: new Date(NOW - ago - 10).toISOString(),
    duration: 10,
    state: 'a.state',
    machine: 'simple',
    worker,
    session: `${worker}.abcdefgh`,
    attempt: 1,
    result: 'done',
    ...change,
  };
}

function report(
  census: Partial<Census>,
  entries: JournalEntry[] = [],
  cut: string[] = [],
  machineOf: [string, string][] = [],
): ReturnType<typeof buildReport> {
  const overview: Overview = {
    paused: false,
    census: { ...CENSUS, ...census },
    inProgress: [],
    failed: [],
    problems: [],
    registered: [],
    sessions: [],
    tails: { entries, cut: new Set(cut) },
  };
  const input = { overview, phases: undefined, now: NOW, oldest: undefined };
  return buildReport({ ...input, machineOf: new Map(machineOf) });
}

describe('machines', () => {
  test('are counted where everything was looked at', () => {
    const names = { ...CENSUS.names, available: ['x.state', 'y.state'] };
    const { machines, areMachinesSampled } = report(
      { available: 2, done: 1, names },
      [entry('ant', 0)],
      [],
      [['x.state', 'other']],
    );
    expect(areMachinesSampled).toBe(false);
    expect(machines).toEqual({
      simple: { available: 0, inProgress: 0, done: 1, failed: 0 },
      other: { available: 1, inProgress: 0, done: 0, failed: 0 },
      '(unknown)': { available: 1, inProgress: 0, done: 0, failed: 0 },
    });
  });

  test('are estimated where some were', () => {
    const names = { ...CENSUS.names, available: ['x.state', 'y.state'] };
    const { machines, areMachinesSampled } = report(
      { available: 1000, done: 900, names },
      [entry('ant', 0), entry('ant', 0), entry('ant', 0, { machine: 'other' })],
      ['ant'],
      [
        ['x.state', 'simple'],
        ['y.state', 'other'],
      ],
    );
    expect(areMachinesSampled).toBe(true);
    expect(machines).toMatchObject({
      simple: { available: 500, done: 600 },
      other: { available: 500, done: 300 },
    });
  });

  test('of what no journal tells are unknown', () => {
    const { machines, areMachinesSampled } = report({ done: 3 }, [entry('ant', 0)]);
    expect(areMachinesSampled).toBe(false);
    expect(machines).toMatchObject({ simple: { done: 1 }, '(unknown)': { done: 2 } });
  });

  test('of a volume without any', () => {
    expect(report({}).machines).toEqual({});
  });
});

describe('the rate', () => {
  test('is of the last minute', () => {
    const entries = [entry('ant', 0), entry('ant', 30_000), entry('ant', 59_000)];
    const old = [entry('ant', 61_000), entry('ant', 5000, { result: 'failed' })];
    const { rate, eta } = report({ available: 60 }, [...entries, ...old]);
    expect(rate).toBeCloseTo(3 / 59, 5);
    expect(eta).toBe(Math.round((60 / rate) * 1000));
  });

  test('is none where nothing was done', () => {
    expect(report({ available: 5 })).toMatchObject({ rate: 0, eta: undefined });
  });

  test('of very many entries', () => {
    const entries = Array.from({ length: 300_000 }, () => entry('ant', 1000));
    expect(report({}, entries).rate).toBe(300_000);
  });
});

test('workers whose journals were cut have done more than was seen', () => {
  const { workers } = report({}, [entry('bee', 0), entry('ant', 0, { result: 'failed' })], ['bee']);
  expect(workers).toMatchObject([
    { worker: 'ant', done: 0, failed: 1, isCut: false, state: 'gone' },
    { worker: 'bee', done: 1, failed: 0, isCut: true, state: 'gone' },
  ]);
});

describe('the flags', () => {
  const failure = {
    flockwork: 1,
    state: 'a.state',
    session: '',
    worker: '',
    at: '',
    code: 'x',
    reason: 'because',
  } as const;

  test('are counted, with what is archived where there is any', () => {
    const counts = {
      available: 4,
      delayed: 1,
      inProgress: 2,
      waiting: 0,
      events: 0,
      done: 3,
      archived: 0,
      failed: 0,
    };
    expect(flagTable(counts, false, [])).toBe(
      'flags: 3 done, 2 in progress, 4 available (1 of them later), 0 failed',
    );
    expect(flagTable({ ...counts, archived: 7 }, false, [])).toMatch(/0 failed, 7 archived$/);
    expect(flagTable({ ...counts, archived: 7 }, true, [])).toMatch(/about 7 archived$/);
  });

  test('say why what failed has failed, and how many more have', () => {
    const counts = {
      available: 0,
      delayed: 0,
      inProgress: 0,
      waiting: 0,
      events: 0,
      done: 0,
      archived: 0,
      failed: 1000,
    };
    expect(flagTable(counts, false, [failure])).toContain('a.state: because\n  … and 999 more');
    expect(flagTable({ ...counts, failed: 1 }, false, [failure])).not.toContain('more');
  });
});

test('the progress line fits', () => {
  const census = { ...CENSUS, done: 1, available: 1 };
  expect(progressLine(census, [], 1000, undefined)).toContain('1 of 2 1.0 s');
  expect(progressLine(census, [], 1000, 20)).toHaveLength(19);
});
