/** What the result of a tick means for its state: a pure function. */
import { describe, expect, test } from 'vitest';
import type { Task } from '../../src/engine/session.ts';
import { done, next, wait, type Answer } from '../../src/machine/answer.ts';
import type { Attempt } from '../../src/machine/record.ts';
import { plan, type PlannedTick } from '../../src/worker/plan.ts';
import type { TickResult } from '../../src/worker/ports.ts';
import { outcomeOfTick } from '../../src/worker/tick-outcome.ts';
import { attempt, context, NOW } from './decision.ts';

const STARTED = '2025-12-31T23:59:59.000Z';
const failedAttempt = attempt('failed');

function plannedTick(attempts: readonly Attempt[] = []): PlannedTick {
  const file = { state: 'job', payload: { n: 1 } };
  const planned = plan({ name: 'x.state', file, attempts } as unknown as Task, context);
  if (planned.kind !== 'tick') throw new Error(planned.kind);
  return planned;
}

const outcomeOf = (
  result: TickResult,
  attempts: readonly Attempt[] = [],
): ReturnType<typeof outcomeOfTick> =>
  outcomeOfTick(plannedTick(attempts), result, STARTED, context, () => 0.5);
const answer = (of: Answer): TickResult => ({ kind: 'answer', answer: of });

describe('outcomeOfTick', () => {
  test('commits without a record when there is no output and no failed attempt', () => {
    expect(outcomeOf(answer(done()))).toEqual({ kind: 'commit', record: undefined });
  });

  test.each([
    ['an output', done(5), [], { output: 5 }],
    ['attempts', done(), [failedAttempt], { attempts: [{ result: 'failed' }] }],
    [
      'a successor',
      next('job', { n: 2 }),
      [],
      { next: { name: 'x.state-1', content: expect.stringContaining('"n": 2') } },
    ],
    [
      'an event',
      done(undefined, { emit: [{ to: 'a', event: 'b' }] }),
      [],
      { emit: [{ content: expect.stringContaining('"event":"b"') }] },
    ],
  ])('commits a record when there is %s', (_what, of, attempts, expected) => {
    const common = { state: 'x.state', session: 'ant.1', worker: 'ant', machine: 'job' };
    expect(outcomeOf(answer(of), attempts)).toMatchObject({
      kind: 'commit',
      record: { ...common, started: STARTED, finished: NOW, ...expected },
    });
  });

  test('fails an impossible answer at once: it commits nothing of it, and does not retry', () => {
    const reason = 'the tick answered wait(), but machine job has no events, so nothing can end it';
    const outcome = outcomeOf(answer(wait({ n: 2 }, { emit: [{ to: 'a', event: 'b' }] })));
    expect(outcome).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal', reason, attempts: [{ result: 'failed' }] },
    });
    expect(outcome).not.toHaveProperty('record.emit');
  });

  test('retries a failure after its pause', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no' } })).toMatchObject({
      kind: 'retry',
      attempt: {
        attempt: 1,
        session: 'ant.1',
        worker: 'ant',
        started: STARTED,
        ended: NOW,
        notBefore: '2026-01-01T00:00:01.000Z',
      },
    });
  });

  test('fails when it was the last attempt', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no' } }, [failedAttempt])).toMatchObject({
      kind: 'fail',
      record: { code: 'attempts-exhausted', attempts: [{ attempt: 1 }, { attempt: 2 }] },
    });
  });

  test('fails at once when the error is fatal', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no', fatal: true } })).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal', attempts: [{ attempt: 1 }] },
    });
  });

  test('releases an aborted tick, and counts no attempt', () => {
    expect(outcomeOf({ kind: 'aborted' })).toEqual({ kind: 'release' });
  });
});
