/** XState machines without promises: events, timers, names of states. */
import { expect, test } from 'vitest';
import type { EventFile } from '../../src/machine/event.ts';
import { LIGHT, ORDER, OVEN, begun, moved, sent, ticked } from './machines.ts';

/** The event of a timer when it is due. */
const dueOf = ({ event, since }: { event: string; since?: string }) => ({ event, since: since! });

test('the first tick sets the first timers', async () => {
  expect(LIGHT.lookup({ state: 'light', payload: {} })).toMatchObject({ kind: 'runnable' });
  const answer = await ticked(LIGHT, { state: 'light', payload: {} });
  expect(answer).toMatchObject({
    kind: 'next',
    state: 'green',
    emit: [{ to: 'it', event: 'xstate.after.60000.(machine).green', delay: 60_000 }],
  });
  expect(LIGHT.events).toEqual(['button', 'hurry', 'again']);
});

test('an event moves the instance and ends the timers of the state that it leaves', async () => {
  const green = await ticked(LIGHT, { state: 'light', payload: {} });
  if (green.kind !== 'next') throw new Error(green.kind);
  const at = { state: green.state, payload: green.payload! };
  const yellow = moved(LIGHT, at, 'button');
  expect(yellow).toMatchObject({ state: 'yellow', moved: true, emit: [{ delay: 3000 }] });
  expect(sent(LIGHT, yellow, dueOf(green.emit![0]!))).toEqual({
    outcome: 'EventNotAllowed',
    reason: 'timer 1 is not running any more',
  });
  expect(moved(LIGHT, yellow, dueOf(yellow.emit[0]!)).state).toBe('red.walk');
});

test("a parent's timer survives moves of its children; a child's timer is set on each entry", async () => {
  const yellow = moved(LIGHT, await begun(LIGHT), 'button');
  const walk = moved(LIGHT, yellow, dueOf(yellow.emit[0]!));
  const [parent, child] = walk.emit;
  expect([parent!.delay, child!.delay]).toEqual([60_000, 40_000]);
  const wait = moved(LIGHT, walk, 'hurry');
  expect(wait).toMatchObject({ state: 'red.wait', emit: [] });
  expect(sent(LIGHT, wait, dueOf(child!)).outcome).toBe('EventNotAllowed');
  const again = moved(LIGHT, wait, 'again');
  expect(again.emit).toMatchObject([{ delay: 40_000 }]);
  // The same event of an earlier stay belongs to another timer.
  expect(sent(LIGHT, again, dueOf(child!)).outcome).toBe('EventNotAllowed');
  const green = moved(LIGHT, again, dueOf(parent!));
  expect(green.state).toBe('green');
  expect(sent(LIGHT, green, dueOf(parent!)).outcome).toBe('EventNotAllowed');
});

test('parallel states have one name in any order', async () => {
  const at = await begun(OVEN, { heat: 20 });
  expect(at.state).toBe('door.shut & lamp.on');
  expect(at.payload).toMatchObject({ snapshot: { context: { heat: 20 } } });
  expect(moved(OVEN, at, 'open').state).toBe('door.wide & lamp.on');
});

test('guards and assigns receive the details of the event', async () => {
  const at = await begun(OVEN);
  const hot = moved(OVEN, at, { event: 'heat', details: { by: 200 } });
  expect(hot).toMatchObject({ moved: false, payload: { snapshot: { context: { heat: 200 } } } });
  expect(sent(OVEN, hot, { event: 'heat', details: { by: 200 } })).toEqual({
    outcome: 'EventNotAllowed',
    reason: 'no transition takes heat in state door.shut & lamp.on',
  });
  expect(at.payload).toMatchObject({ snapshot: { context: { heat: 0 } } });
});

test('raise and sendTo set timers; cancel ends them by id, even before they are set', async () => {
  const rung = moved(OVEN, await begun(OVEN), 'bell');
  expect(rung.emit).toMatchObject([{ event: 'rung', delay: 5000 }]);
  expect(moved(OVEN, rung, dueOf(rung.emit[0]!)).payload).toMatchObject({
    timers: [],
    snapshot: { context: { log: ['rung'] } },
  });
  const hushed = moved(OVEN, rung, 'hush');
  expect(sent(OVEN, hushed, dueOf(rung.emit[0]!)).outcome).toBe('EventNotAllowed');
  const { emit } = moved(OVEN, hushed, 'twice');
  expect(emit).toMatchObject([{ event: 'rung', delay: 7000, details: { how: 'softly' } }]);
  const self = moved(OVEN, hushed, 'self');
  expect(self.emit).toEqual([{ to: 'it', event: 'rung', since: 'timer 2' }]);
});

test('a timer event that no transition takes ends the timer without error', async () => {
  const rung = moved(OVEN, await begun(OVEN), 'bell');
  const after = moved(OVEN, rung, { ...dueOf(rung.emit[0]!), event: 'unheard of' });
  expect(after).toMatchObject({ moved: false, payload: { timers: [] } });
});

test.each([
  ['unheard of', 'EventNotAllowed', 'no transition takes unheard of'],
  ['nothing', 'EventNotAllowed', 'no transition takes nothing'],
  ['xstate.stop', 'EventNotAllowed', 'xstate.stop cannot be sent: only XState causes it'],
  ['xstate.done.actor.pay', 'EventNotAllowed', 'cannot be sent'],
  ['*', 'EventNotAllowed', 'no transition takes *'],
  [{ event: 'open', details: [1] }, 'EventNotAllowed', 'an object'],
  [{ event: 'open', details: 'x' }, 'EventNotAllowed', 'an object'],
  [{ event: 'open', since: 'oven.state-2' }, 'EventNotAllowed', 'is not running any more'],
  ['other', 'InternalError', 'cannot send rung to another actor'],
  ['bad', 'InternalError', 'burnt'],
  ['big', 'InternalError', 'heat is a bigint'],
  ['seen', 'InternalError', 'heat is a Set, which JSON cannot hold'],
  ['never', 'InternalError', 'the delay of rung: "NaN" is not a valid duration'],
] as [string | EventFile, string, string][])(
  '%j: %s, and nothing changes',
  async (event, outcome, reason) => {
    const at = await begun(OVEN);
    const before = structuredClone(at);
    expect(sent(OVEN, at, event)).toEqual({ outcome, reason: expect.stringContaining(reason) });
    expect(at).toEqual(before);
  },
);

test('impure code cannot change the stored snapshot', async () => {
  const at = await begun(OVEN);
  const before = structuredClone(at);
  expect(moved(OVEN, at, 'impure').payload).toMatchObject({
    snapshot: { context: { log: ['by hand'] } },
  });
  expect(at).toEqual(before);
});

test('details cannot change the type of the event', async () => {
  const at = await begun(OVEN);
  expect(sent(OVEN, at, { event: 'unheard of', details: { type: 'open' } }).outcome).toBe(
    'EventNotAllowed',
  );
});

test('the payload is JSON and has the promise that must run', async () => {
  let at = await begun(ORDER);
  at = moved(ORDER, at, { event: 'pay', details: { sum: 0 } });
  expect(at).toMatchObject({ state: 'paying', payload: { snapshot: { context: { sum: 0 } } } });
  expect(JSON.parse(JSON.stringify(at.payload))).toEqual(at.payload);
  expect(ORDER.lookup(at)).toMatchObject({ kind: 'runnable' });
});
