/** Timers that a tick's answer sets are in the record of its step. */
import { expect, test } from 'vitest';
import { checkAnswer } from '../../src/machine/answer.ts';
import { parseEvent, parseEventName } from '../../src/machine/event.ts';
import { conclude, type Scene, type Work } from '../../src/worker/holding.ts';
import { LIGHT, ticked } from './machines.ts';

test('the first timers are committed with the first state', async () => {
  const answer = checkAnswer(await ticked(LIGHT, { state: 'light', payload: {} }));
  const file = { state: 'light', payload: {} };
  const task = { name: 'it.state', machine: 'light', state: 'light' };
  const work = { machine: LIGHT, file, task, attempts: [] } as unknown as Work;
  const now = '2026-11-25T12:00:00.000Z';
  const scene = { now, token: { session: 's', worker: 'ant' } } as unknown as Scene;
  const change = conclude(work, { kind: 'answer', answer }, now, scene, () => 0);
  if (change.kind !== 'commit') throw new Error(change.kind);
  const { emit = [], next } = change.record!;
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
  ['an object instead of a list', { to: 'it', event: 'go' }],
  ['no addressee', [{ event: 'go' }]],
  ['an invalid instance', [{ to: 'a/b', event: 'go' }]],
  ['no event', [{ to: 'it', event: 5 }]],
  ['an invalid delay', [{ to: 'it', event: 'go', delay: -1 }]],
  ['null', [null]],
  ['a value that JSON cannot hold', [{ to: 'it', event: 'go', details: 1n }]],
])('refuses an answer with %s', (_, emit) => {
  expect(() => checkAnswer({ kind: 'next', state: 'a', payload: {}, emit })).toThrow(
    /^the tick's (emit is|answer cannot be)/,
  );
});
