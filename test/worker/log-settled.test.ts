import { expect, test } from 'vitest';
import { newClaimedTask, newStep } from '../../src/worker/plan.ts';
import { logRecovery, logSettled, stoppingMessage } from '../../src/volume/log-recovery.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { Change } from '../../src/volume/operations.ts';

function logOf(act: (log: Log) => void): string[] {
  const said: string[] = [];
  const line = (_facts: object, message: string): void => void said.push(message);
  act({ debug: line, info: line, warn: line, error: line });
  return said;
}
function settled(change: Change): string[] {
  const holding = newClaimedTask('x.state', '');
  const retry = { maximumAttempts: 5 };
  holding.step = newStep('x.state', change);
  holding.work = { task: { activity: { retry } } } as never;
  return logOf((log) => logSettled(log, [holding]));
}
const who = { session: 'ant.1', worker: 'ant' };

test('of a failed attempt: which one it was, and when the next one is', () => {
  const attempt = {
    ...who,
    attempt: 2,
    started: '2026-11-25T00:00:00.000Z',
    ended: '2026-11-25T00:00:01.000Z',
    notBefore: '2026-11-25T00:00:03.000Z',
    result: 'failed',
    error: { message: 'ENOENT' },
  } as const;
  expect(settled({ kind: 'retry', attempt })).toEqual([
    'x.state: attempt 2 of 5 failed, again in 2.0 s: ENOENT',
  ]);
});

test.each([
  ['failed after 5 attempts, the last: no', 'x.state failed after 5 attempts, the last: no'],
  ['not JSON', 'x.state failed: not JSON'],
])('of a failed state: %s', (reason, said) => {
  const record = { flockwork: 1, state: 'x.state', ...who, at: '', code: 'c', reason } as const;
  expect(settled({ kind: 'fail', record })).toEqual([said]);
});

test.each([
  [{ broken: [], dropped: [], finished: [], of: [], foreign: [], passedOver: [] }, []],
  [
    {
      broken: ['b.1.x'],
      dropped: ['a.state', 'b.state'],
      finished: ['c.state'],
      of: ['b.1.x'],
      foreign: [],
      passedOver: [],
    },
    [
      'finished for workers that are gone, b.1: 2 states are available again, 1 commit was finished',
    ],
  ],
  [
    {
      broken: [],
      dropped: ['a.state'],
      finished: [],
      of: ['ant.x', 'bee.y', 'bee.z'],
      foreign: [],
      passedOver: [],
    },
    ['finished for workers that are gone, ant, bee: 1 state is available again'],
  ],
  [
    { broken: ['ant.x'], dropped: [], finished: [], of: ['ant.x'], foreign: [], passedOver: [] },
    ['finished for workers that are gone, ant: it held no state'],
  ],
  [
    {
      broken: [],
      dropped: [],
      finished: [],
      of: [],
      foreign: [],
      passedOver: ['in_progress/a.state (EACCES)'],
    },
    ["passed over in_progress/a.state (EACCES): it is not what belongs there, or another user's"],
  ],
])('of a recovery: whose states, and how many', (recovery, said) => {
  expect(logOf((log) => logRecovery(log, recovery))).toEqual(said);
});

test.each([
  [0, 10_000, 'stopping: no tick runs, claiming nothing more'],
  [1, 1500, 'stopping: 1 tick runs, waiting for it up to 1.5 s; Ctrl-C again ends them'],
  [2, 10_000, 'stopping: 2 ticks run, waiting for them up to 10 s; Ctrl-C again ends them'],
])('a worker with %i ticks says what it waits for', (running, drain, message) => {
  expect(stoppingMessage(running, drain)).toBe(message);
});
