import { expect, test } from 'vitest';
import type { RunnableActivity } from '../../src/machine/definition.ts';
import { Cancellation, supervise } from '../../src/worker/supervise.ts';
import { Deadlines } from '../../src/worker/deadlines.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { StillClock } from '../still-clock.ts';

test('cancels an attempt at once when the worker has aborted it already', async () => {
  const cancellable = new Cancellation();
  const activity = { kind: 'tick', timeout: 1000 } as RunnableActivity;
  const result = await supervise({ activity } as TickTask, new Promise(() => undefined), {
    cancellable,
    workerSignal: AbortSignal.abort(),
    deadlines: new Deadlines(new StillClock()),
    mayBeAbandoned: true,
  });
  expect(result).toEqual({ kind: 'aborted' });
  expect(cancellable.signal.aborted).toBe(true);
});
