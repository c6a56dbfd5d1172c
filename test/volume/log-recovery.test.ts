import { describe, expect, test } from 'vitest';
import type { Log } from '../../src/engine/ports.ts';
import type { FailureRecord } from '../../src/machine/record.ts';
import { newSettlement } from '../../src/volume/claimed-task.ts';
import { logExpired, logRecovery, logRetried, logUnasked } from '../../src/volume/log-recovery.ts';
import type { Recovery, VolumeOperations } from '../../src/volume/operations.ts';
import { NOTHING_RECOVERED } from './fake-operations.ts';

interface Line {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

function linesOf(act: (log: Log) => void): Line[] {
  const lines: Line[] = [];
  const at =
    (level: string): Log['info'] =>
    (fields, message) =>
      void lines.push({ level, fields, message });
  act({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') });
  return lines;
}

test('logExpired names the session, its lease in ms, and what was discarded', () => {
  const operations = { token: { session: 'ant.1' }, lease: 10_000 } as VolumeOperations;
  expect(linesOf((log) => logExpired(log, operations, ['a.state']))).toEqual([
    {
      level: 'warn',
      fields: { session: 'ant.1', lease: 10_000, discarded: ['a.state'] },
      message: 'session expired: lease not renewed; starting a new session',
    },
  ]);
});

describe('logRecovery', () => {
  const recovered = (recovery: Partial<Recovery>): Line[] =>
    linesOf((log) => logRecovery(log, { ...NOTHING_RECOVERED, ...recovery }));

  test('logs nothing when nothing was recovered', () => {
    expect(recovered({})).toEqual([]);
  });

  test('counts the states and commits, and names what they are', () => {
    const recovery = {
      broken: ['b.1.x'],
      dropped: ['a.state', 'b.state'],
      finished: ['c.state'],
      of: ['b.1.x'],
    };
    expect(recovered(recovery)).toEqual([
      {
        level: 'warn',
        fields: {
          ...NOTHING_RECOVERED,
          ...recovery,
          workers: ['b.1'],
          available: 2,
          commitsFinished: 1,
        },
        message: 'recovered expired sessions',
      },
    ]);
  });

  test('names each worker once', () => {
    const lines = recovered({ dropped: ['a.state'], of: ['ant.x', 'bee.y', 'bee.z'] });
    expect(lines).toMatchObject([
      { fields: { workers: ['ant', 'bee'], available: 1, commitsFinished: 0 } },
    ]);
  });

  test('logs a session that held no state', () => {
    expect(recovered({ broken: ['ant.x'], of: ['ant.x'] })).toMatchObject([
      { fields: { workers: ['ant'], available: 0, commitsFinished: 0 } },
    ]);
  });

  test('names each entry that was passed over', () => {
    const message = 'passed over: not what belongs there, or owned by another user';
    expect(recovered({ passedOver: ['in_progress/a.state (EACCES)', 'done/b'] })).toEqual([
      { level: 'warn', fields: { entry: 'in_progress/a.state (EACCES)' }, message },
      { level: 'warn', fields: { entry: 'done/b' }, message },
    ]);
  });
});

describe('logRetried', () => {
  const names = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `s${index}.state`);

  test('names each of 16 states', () => {
    const message = 'failed state available again: its cause has changed';
    expect(linesOf((log) => logRetried(log, names(16)))).toEqual(
      names(16).map((state) => ({ level: 'info', fields: { state }, message })),
    );
  });

  test('logs only the number of more states', () => {
    expect(linesOf((log) => logRetried(log, names(17)))).toEqual([
      { level: 'info', fields: { states: 17 }, message: 'failed states available again' },
    ]);
  });
});

describe('logUnasked', () => {
  test('logs why a state has failed that could not be handed out', () => {
    const record: FailureRecord = {
      flockwork: 1,
      state: 'x.state',
      session: 'ant.1',
      worker: 'ant',
      at: '',
      code: 'bad-json',
      reason: 'not JSON',
    };
    const step = newSettlement('x.state', { kind: 'fail', record });
    expect(linesOf((log) => logUnasked(log, step))).toEqual([
      {
        level: 'error',
        fields: { state: 'x.state', code: 'bad-json', reason: 'not JSON' },
        message: 'failed: cannot be run',
      },
    ]);
  });

  test('logs a state that was released', () => {
    const step = newSettlement('x.state', { kind: 'release' });
    expect(linesOf((log) => logUnasked(log, step))).toEqual([
      { level: 'info', fields: { state: 'x.state' }, message: 'given back' },
    ]);
  });
});
