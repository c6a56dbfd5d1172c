/** Timers that a tick's answer sets: they are in the record of its step. */
import { expect, test } from 'vitest';
import { checkAnswer } from '../../src/machine/answer.ts';
import { parseEvent, parseEventName } from '../../src/machine/event.ts';
import { outcomeOfTick, type DecisionContext, type PlannedTick } from '../../src/worker/plan.ts';
import { LIGHT, ticked } from './machines.ts';

test('commits the first timers with the first state', async () => {
  const answer = checkAnswer(await ticked(LIGHT, { state: 'light', payload: {} }));
  const file = { state: 'light', payload: {} };
  const tick = { name: 'it.state', machine: 'light', state: 'light' };
  const planned = { machine: LIGHT, file, tick, attempts: [] } as unknown as PlannedTick;
  const now = '2026-11-25T12:00:00.000Z';
  const context = { now, session: 's', worker: 'ant' } as DecisionContext;
  const outcome = outcomeOfTick(planned, { kind: 'answer', answer }, now, context, () => 0);
  if (outcome.kind !== 'commit') throw new Error(outcome.kind);
  const { emit = [], next } = outcome.record!;
  expect(next!.name).toBe('it.state-1');
  expect(emit).toHaveLength(1);
  expect(parseEventName(emit[0]!.name)).toMatchObject({
    time: '2026-11-25T12:01:00.000Z',
    isDelayed: true,
    to: 'it',
  });
  expect(parseEvent(emit[0]!.content)).toMatchObject({ since: 'timer 1', delay: 60_000 });
});

test.each([
  ['emit that is not a list', { to: 'it', event: 'go' }],
  ['no instance', [{ event: 'go' }]],
  ['an invalid instance', [{ to: 'a/b', event: 'go' }]],
  ['no event', [{ to: 'it', event: 5 }]],
  ['an invalid delay', [{ to: 'it', event: 'go', delay: -1 }]],
  ['null', [null]],
  ['what is not JSON', [{ to: 'it', event: 'go', details: 1n }]],
])('rejects an answer with %s', (_, emit) => {
  expect(() => checkAnswer({ kind: 'next', state: 'a', payload: {}, emit })).toThrow(
    /^(the tick's emit must|cannot apply the tick's answer)/,
  );
});
