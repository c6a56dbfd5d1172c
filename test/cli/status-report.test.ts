/** What `status` says of what it was given, and how it says that it has not seen everything. */
import { describe, expect, test } from 'vitest';
import { buildReport, type ReportInput, type StatusReport } from '../../src/cli/status-report.ts';
import { flagTable, progressLine } from '../../src/cli/tables.ts';
import type { Census, Overview, WorkerFlagInfo } from '../../src/volume/overview.ts';
import type { JournalEntry } from '../../src/volume/operations.ts';
import type { Token } from '../../src/volume/token.ts';
import { NO_COUNTS } from '../counts.ts';

const NOW = Date.UTC(2026, 0, 1);
const LEASE = 10_000;

const CENSUS: Census = {
  ...NO_COUNTS,
  isArchiveSampled: false,
  names: { available: [], waiting: [], inProgress: [], failed: [] },
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
  more: Partial<Omit<ReportInput, 'overview'>> & { readonly overview?: Partial<Overview> } = {},
): StatusReport {
  const overview: Overview = {
    paused: false,
    census: { ...CENSUS, ...census },
    inProgress: [],
    failed: [],
    problems: [],
    registered: [],
    sessions: [],
    signs: new Map(),
    tails: { entries, cut: new Set(cut), before: new Map(), uncounted: new Set() },
    ...more.overview,
  };
  return buildReport({
    phases: undefined,
    lease: LEASE,
    silences: new Map(),
    now: NOW,
    oldest: undefined,
    places: new Map(machineOf.map(([name, machine]) => [name, { machine, state: 'here' }])),
    unrecorded: [],
    waits: [],
    ...more,
    overview,
  });
}

describe('machines', () => {
  test('are counted when everything was looked at', () => {
    const names = { ...CENSUS.names, available: ['x.state', 'y.state'] };
    const { machines, areMachinesSampled } = report(
      { available: 2, done: 1, names },
      [entry('ant', 0)],
      [],
      [['x.state', 'other']],
    );
    expect(areMachinesSampled).toBe(false);
    expect(machines).toEqual({
      simple: { available: 0, inProgress: 0, waiting: 0, done: 1, failed: 0 },
      other: { available: 1, inProgress: 0, waiting: 0, done: 0, failed: 0 },
      '(unknown)': { available: 1, inProgress: 0, waiting: 0, done: 0, failed: 0 },
    });
  });

  test('are estimated when a sample was looked at', () => {
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

  test('count waiting instances by machine and state', () => {
    const names = { ...CENSUS.names, waiting: ['a.state-1', 'b.state', 'c.state'] };
    const places: [string, { machine: string; state: string }][] = [
      ['a.state-1', { machine: 'door:2', state: 'open' }],
      ['b.state', { machine: 'door', state: 'shut' }],
      ['c.state', { machine: 'door', state: 'shut' }],
    ];
    const { machines, waiting } = report({ waiting: 3, names }, [], [], [], {
      places: new Map(places),
    });
    expect(machines).toEqual({
      door: { available: 0, inProgress: 0, waiting: 3, done: 0, failed: 0 },
    });
    expect(waiting).toEqual([
      { machine: 'door', state: 'shut', count: 2 },
      { machine: 'door', state: 'open', count: 1 },
    ]);
  });

  test('of done states that are in no journal come from their files', () => {
    const { machines } = report({ done: 3 }, [entry('ant', 0)], [], [], {
      unrecorded: ['door:2', 'door'],
    });
    expect(machines).toMatchObject({ simple: { done: 1 }, door: { done: 2 } });
    expect(machines).not.toHaveProperty('(unknown)');
  });

  test('of done states without journal and file are unknown', () => {
    const { machines } = report({ done: 3 }, [entry('ant', 0)]);
    expect(machines).toMatchObject({ simple: { done: 1 }, '(unknown)': { done: 2 } });
  });

  test('of an empty volume are none', () => {
    expect(report({}).machines).toEqual({});
  });
});

describe('the rate', () => {
  test('covers the last minute', () => {
    const entries = [entry('ant', 0), entry('ant', 30_000), entry('ant', 59_000)];
    const old = [entry('ant', 61_000), entry('ant', 5000, { result: 'failed' })];
    const { rate, eta } = report({ available: 60 }, [...entries, ...old]);
    expect(rate).toBeCloseTo(3 / 59, 5);
    expect(eta).toBe(Math.round((60 / rate) * 1000));
  });

  test('of a run that is over covers the run', () => {
    const entries = [entry('ant', 30_000), entry('ant', 25_000), entry('bee', 20_000)];
    expect(report({}, entries).rate).toBeCloseTo(3 / 10, 5);
  });

  test('of partly parsed journals begins at the first parsed entry', () => {
    const ants = Array.from({ length: 100 }, (_, index) => entry('ant', index * 20));
    const bees = [entry('bee', 0), entry('bee', 50_000)];
    const { rate } = report({}, [...ants, ...bees], ['ant']);
    expect(rate).toBeCloseTo(100 / 1.98 + 2 / 50, 5);
  });

  test('is 0 when nothing was done', () => {
    expect(report({ available: 5 })).toMatchObject({ rate: 0, eta: undefined });
  });

  test('is computed from very many entries', () => {
    const entries = Array.from({ length: 300_000 }, () => entry('ant', 1000));
    expect(report({}, entries).rate).toBe(300_000);
  });
});

describe('workers', () => {
  const token = (worker: string, boot = 'abcdefgh'): Token => ({
    flockwork: 1,
    session: `${worker}.${boot}`,
    worker,
    host: 'host',
    pid: 1,
    started: '',
    concurrency: 1,
    capacity: 1,
    machines: [],
  });
  const workersOf = (
    sessions: Token[],
    silences: [string, number][],
    registered: WorkerFlagInfo[] = [],
    census: Partial<Census> = {},
  ): StatusReport =>
    report(census, [], [], [], {
      silences: new Map(silences),
      overview: { sessions, registered },
    });

  test('with partly counted journals have lower bounds', () => {
    const tails = {
      entries: [entry('bee', 0), entry('ant', 0, { result: 'failed' as const })],
      cut: new Set(['ant', 'bee']),
      before: new Map([['ant', { done: 52_816, failed: 1 }]]),
      uncounted: new Set(['bee']),
    };
    expect(report({}, [], [], [], { overview: { tails } }).workers).toMatchObject([
      { worker: 'ant', done: 52_816, failed: 2, isCut: false, state: 'gone' },
      { worker: 'bee', done: 1, failed: 0, isCut: true, state: 'gone' },
    ]);
  });

  test.each([
    [0, 'busy'],
    [0.4 * LEASE, 'busy'],
    [0.4 * LEASE + 1, 'silent'],
    [LEASE, 'silent'],
    [LEASE + 1, 'dead'],
  ])('that are silent for %i ms are %s', (silent, state) => {
    const { workers } = workersOf([token('ant')], [['ant.abcdefgh', silent]]);
    expect(workers).toMatchObject([{ worker: 'ant', state, silent }]);
  });

  test('have the state of the session that was heard of last', () => {
    const sessions = [token('ant'), token('ant', '12345678'), token('bee')];
    const { workers } = workersOf(
      sessions,
      [
        ['ant.abcdefgh', 60_000],
        ['ant.12345678', 100],
      ],
      [{ name: 'ant', session: 'ant.12345678', since: 0 }],
    );
    expect(workers).toMatchObject([
      { worker: 'ant', state: 'available', silent: 100 },
      { worker: 'bee', state: 'dead', silent: undefined },
    ]);
  });

  test('without a token are foreign', () => {
    const { workers } = workersOf([], [], [{ name: 'zip', session: undefined, since: 0 }]);
    expect(workers).toMatchObject([{ worker: 'zip', state: 'foreign' }]);
  });

  test('that are all dead make the report abandoned', () => {
    const dead: [Token[], [string, number][]] = [[token('ant')], [['ant.abcdefgh', 52_000]]];
    expect(workersOf(...dead, [], { inProgress: 1 }).isAbandoned).toBe(true);
    expect(workersOf(...dead, [], { events: 1 }).isAbandoned).toBe(true);
    expect(workersOf(...dead).isAbandoned).toBe(false);
    expect(
      workersOf([token('ant')], [['ant.abcdefgh', 0]], [], { inProgress: 1 }).isAbandoned,
    ).toBe(false);
  });

  test('mark held states as alive only while they are alive', () => {
    const inProgress = [
      { state: 'a.state', token: token('ant'), held: undefined },
      { state: 'b.state', token: token('bee'), held: undefined },
      { state: 'c.state', token: undefined, held: undefined, since: NOW - 5000 },
    ];
    const { held } = report({}, [], [], [], {
      silences: new Map([
        ['ant.abcdefgh', 0],
        ['bee.abcdefgh', LEASE + 1],
      ]),
      overview: { inProgress },
    });
    expect(held).toMatchObject([
      { state: 'a.state', worker: 'ant', isAlive: true },
      { state: 'b.state', worker: 'bee', isAlive: false },
      { state: 'c.state', worker: '(foreign)', isAlive: false, held: 5000 },
    ]);
  });
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

  test('are counted, with archived states if there are any', () => {
    const counts = { ...NO_COUNTS, available: 4, delayed: 1, inProgress: 2, done: 3 };
    expect(flagTable(counts, false, [])).toBe(
      'flags: 3 done, 2 in progress, 4 available (1 of them later), 0 failed',
    );
    expect(flagTable({ ...counts, archived: 7 }, false, [])).toMatch(/0 failed, 7 archived$/);
    expect(flagTable({ ...counts, archived: 7 }, true, [])).toMatch(/about 7 archived$/);
  });

  test('print reasons of failures, and the count of further ones', () => {
    const counts = { ...NO_COUNTS, failed: 1000 };
    expect(flagTable(counts, false, [failure])).toContain('a.state: because\n  … and 999 more');
    expect(flagTable({ ...counts, failed: 1 }, false, [failure])).not.toContain('more');
  });
});

test('progressLine fits into the columns', () => {
  const census = { ...CENSUS, done: 1, available: 1 };
  expect(progressLine(census, [], 1000, undefined)).toContain('1 of 2 1.0 s');
  expect(progressLine(census, [], 1000, 20)).toHaveLength(19);
});
