import { describe, expect, test } from 'vitest';
import type { Log } from '../../src/engine/ports.ts';
import type { Outcome } from '../../src/engine/session.ts';
import { SettledLog, type SettledStep } from '../../src/worker/log-settled.ts';

interface Line {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

const who = { session: 'ant.1', worker: 'ant' };
const COMMIT: Outcome = { kind: 'commit', record: undefined };
const FAIL: Outcome = {
  kind: 'fail',
  record: { flockwork: 1, state: 'x.state', ...who, at: '', code: 'fatal', reason: 'not JSON' },
};
const RETRY: Outcome = {
  kind: 'retry',
  attempt: {
    ...who,
    attempt: 2,
    started: '2026-11-25T00:00:00.000Z',
    ended: '2026-11-25T00:00:01.000Z',
    notBefore: '2026-11-25T00:00:03.000Z',
    result: 'failed',
    error: { message: 'ENOENT' },
  },
};
const step = (outcome: Outcome, more: Partial<SettledStep> = {}): SettledStep => ({
  state: 'x.state',
  outcome,
  settled: 'settled',
  ...more,
});

/** Lines of steps that settle in one turn. */
async function linesOf(...steps: readonly SettledStep[]): Promise<Line[]> {
  const lines: Line[] = [];
  const at =
    (level: string): Log['info'] =>
    (fields, message) =>
      void lines.push({ level, fields, message });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const settledLog = new SettledLog(log);
  for (const one of steps) settledLog.add(one);
  expect(lines).toEqual([]);
  await Promise.resolve();
  return lines;
}

describe('SettledLog', () => {
  test.each<[string, SettledStep, Line]>([
    [
      'a commit',
      step(COMMIT, { durationMs: 20 }),
      { level: 'info', fields: { state: 'x.state', durationMs: 20 }, message: 'state done' },
    ],
    [
      'a commit without a tick',
      step(COMMIT),
      { level: 'info', fields: { state: 'x.state' }, message: 'state done' },
    ],
    [
      'a failed state: why',
      step(FAIL, { settled: 'failed', durationMs: 20 }),
      {
        level: 'error',
        fields: { state: 'x.state', durationMs: 20, code: 'fatal', reason: 'not JSON' },
        message: 'state failed',
      },
    ],
    [
      'a failed attempt: which one it was, and when the next one is',
      step(RETRY, { maximumAttempts: 5, durationMs: 1000 }),
      {
        level: 'warn',
        fields: {
          state: 'x.state',
          durationMs: 1000,
          attempt: 2,
          maximumAttempts: 5,
          retryInMs: 2000,
          error: 'ENOENT',
        },
        message: 'attempt failed',
      },
    ],
    [
      'a commit after that of another session',
      step(COMMIT, { settled: 'lost' }),
      {
        level: 'warn',
        fields: { state: 'x.state' },
        message: 'result dropped: another worker has committed this state',
      },
    ],
    [
      'a commit whose session has expired',
      step(COMMIT, { settled: 'unsure' }),
      {
        level: 'warn',
        fields: { state: 'x.state' },
        message: 'result uncertain: the session expired',
      },
    ],
    [
      'a decision that is outdated',
      step(COMMIT, { settled: 'outdated' }),
      { level: 'debug', fields: { state: 'x.state' }, message: 'decision outdated: taken again' },
    ],
    [
      'a state that waits',
      step({ kind: 'wait' }),
      { level: 'debug', fields: { state: 'x.state' }, message: 'state waits for an event' },
    ],
    [
      'a released state',
      step({ kind: 'release' }),
      {
        level: 'info',
        fields: { state: 'x.state', outcome: 'release' },
        message: 'state given back',
      },
    ],
    [
      'a refused state that another worker may know',
      step({ kind: 'refuse', code: 'unknown-machine', machine: 'magic', reason: 'r' }),
      {
        level: 'info',
        fields: { state: 'x.state', outcome: 'refuse' },
        message: 'state given back',
      },
    ],
    [
      'a refused state that no worker knows',
      step(
        { kind: 'refuse', code: 'unknown-machine', machine: 'magic', reason: 'r' },
        { settled: 'failed' },
      ),
      {
        level: 'error',
        fields: { state: 'x.state', code: 'unknown-machine', machine: 'magic', reason: 'r' },
        message: 'state failed: no worker knows its machine',
      },
    ],
  ])('logs %s', async (_what, settled, line) => {
    expect(await linesOf(settled)).toEqual([line]);
  });

  test('logs 16 commits of one turn one by one', async () => {
    const steps = Array.from({ length: 16 }, (_, index) => step(COMMIT, { state: `s${index}` }));
    const lines = await linesOf(...steps);
    expect(lines.map(({ fields }) => fields['state'])).toEqual(steps.map(({ state }) => state));
  });

  test('logs only the number of more commits, and what is not a plain commit by itself', async () => {
    const commits = Array.from({ length: 17 }, () => step(COMMIT));
    const lines = await linesOf(step(RETRY), ...commits, step(COMMIT, { settled: 'lost' }));
    expect(lines.map(({ message }) => message)).toEqual([
      'states done',
      'attempt failed',
      'result dropped: another worker has committed this state',
    ]);
    expect(lines[0]).toEqual({ level: 'info', fields: { states: 17 }, message: 'states done' });
  });
});
