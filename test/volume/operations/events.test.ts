/** Events: applied once, in order; and rejected when their instance does not come. */
import { describe, expect, test } from 'vitest';
import type { EventFile } from '../../../src/machine/event.ts';
import type { PhaseGuard } from '../../../src/volume/operations.ts';
import { Bench, commitStep, COUNT, LAMP, LEASE_MS, NOTHING_LEFT, OPEN } from './bench.ts';

const DEFAULT_GRACE_MS = 10_000;

test('an event is applied, its result can be asked for, and sending it again returns that', async () => {
  const bench = await Bench.create();
  await bench.submit('lamp', LAMP);
  const ant = await bench.open('ant');
  expect(await bench.client.eventResult('a')).toBeUndefined();
  await bench.sendNew('lamp', 'a');
  expect(await bench.client.eventResult('a')).toBeUndefined();
  await bench.drain(ant);
  const over = {
    kind: 'over',
    outcome: { id: 'a', outcome: 'Ok', from: 'off', to: 'on' },
    state: 'lamp.state',
  };
  expect(await bench.client.eventResult('a')).toMatchObject(over);
  expect(await bench.send('lamp', 'a')).toMatchObject(over);
  await bench.drain(ant);
  expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
  expect(await bench.applied('lamp')).toEqual(['a']);
});

test.each<[string, string, Partial<EventFile>]>([
  ['.lamp', 'a', {}],
  ['a/b', 'a', {}],
  ['', 'a', {}],
  ['x'.repeat(201), 'a', {}],
  ['lamp', '', {}],
  ['lamp', 'a\0', {}],
  ['lamp', '\ud800', {}],
  ['lamp', 'i'.repeat(201), {}],
  ['lamp', 'a', { event: '' }],
  ['lamp', 'a', { delay: -1 }],
  ['lamp', 'a', { delay: 1e15 }],
  ['lamp', 'a', { grace: -1 }],
  ['lamp', 'a', { grace: Number.NaN }],
  ['lamp', 'a', { details: 'x'.repeat(1024 * 1024) }],
  // The file would be too large with the id in it.
  ['lamp', 'i'.repeat(200), { originator: 'x'.repeat(1024 * 1024 - 100) }],
  ['lamp', 'a', { details: 1n as never }],
  ['lamp', 'a', { details: { size: Number.NaN } }],
])('an invalid event is rejected and not sent: no. %#', async (...message) => {
  const bench = await Bench.create();
  await expect(bench.send(...message)).rejects.toMatchObject({ code: 'bad-event' });
  const ant = await bench.open('ant');
  expect((await ant.snapshot()).delayed).toBe(0);
});

test('an event that the machine does not allow has a result, and leaves the state as it is', async () => {
  const bench = await Bench.create();
  await bench.submit('lamp', LAMP);
  const ant = await bench.open('ant');
  await bench.sendNew('lamp', 'a', { event: 'explode' });
  await bench.sendNew('lamp', 'b');
  await bench.drain(ant);
  expect(await bench.outcome('a')).toBe('EventNotAllowed');
  expect(await bench.outcome('b')).toBe('Ok');
  expect((await bench.client.get('lamp'))?.state).toBe('on');
});

/** Open for so many questions, each before one change. */
function guardFor(changes: number): PhaseGuard {
  let left = changes;
  const canBegin = (): boolean => (left -= 1) >= 0;
  return { ...OPEN, canBegin, canFinish: canBegin };
}

test('more events than a phase has time for are assigned and removed in several phases', async () => {
  const bench = await Bench.create();
  await bench.submit('lamp', LAMP);
  const ant = await bench.open('ant');
  const ids = Array.from({ length: 40 }, (_, index) => `e${index}`);
  for (const id of ids) await bench.sendNew('lamp', id);
  const steps = await bench.claimAll(ant);
  // What was done in an earlier phase must not be done, or looked at, again: there would never be time for the rest.
  for (let phase = 0; phase < 20 && steps[0]!.progress !== 'settled'; phase += 1) {
    await bench.settle(ant, steps, guardFor(8));
  }
  expect(steps.map(({ progress }) => progress)).toEqual(['settled']);
  await bench.drain(ant);
  expect((await bench.applied('lamp')).toSorted()).toEqual(ids.toSorted());
});

describe('order', () => {
  test('events are applied in the order of sending, those of one millisecond by id', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    for (const id of ['m', 'z', 'a']) {
      await bench.sendNew('lamp', id);
      await bench.pass(1, ant);
    }
    for (const id of ['d', 'b', 'c']) await bench.sendNew('lamp', id);
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual(['m', 'z', 'a', 'b', 'c', 'd']);
  });

  test('150 events sent at once are all applied, in the order of their ids', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    const ids = Array.from({ length: 150 }, (_, index) => `e${String(index).padStart(3, '0')}`);
    await Promise.all(ids.map((id) => bench.sendNew('lamp', id)));
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual(ids);
  });

  test('a delayed event is applied when it is due, after those sent before that time', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.sendNew('lamp', 'late', { delay: 5000 });
    await bench.drain(ant);
    expect((await ant.snapshot()).delayed).toBe(1);
    await bench.pass(4000, ant);
    await bench.sendNew('lamp', 'early');
    await bench.pass(999, ant);
    expect((await ant.snapshot()).tasks.names).toEqual(['lamp.state']);
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual(['early']);
    await bench.passUntilDue(bench.time.now + 1, ant);
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual(['early', 'late']);
    expect((await ant.snapshot()).delayed).toBe(0);
  });
});

describe('one id', () => {
  test.each([true, false])(
    'sent four times, to two instances, is applied once (at once: %s)',
    async (atOnce) => {
      const bench = await Bench.create();
      for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
      const ant = await bench.open('ant');
      await bench.drain(ant);
      const sends = ['lamp', 'lamp', 'other', 'other'].map((to) => () => bench.sendNew(to, 'a'));
      if (atOnce) await Promise.all(sends.map((send) => send()));
      else for (const send of sends) await send().then(() => bench.pass(1, ant));
      await bench.drain(ant);
      const applied = [...(await bench.applied('lamp')), ...(await bench.applied('other'))];
      expect(applied).toEqual(['a']);
      const over = await bench.client.eventResult('a');
      expect((await bench.client.history(over!.state!.split('.')[0]!))[1]?.state).toBe('on');
      expect(await bench.counts(ant)).toEqual(NOTHING_LEFT);
    },
  );

  test('committed by two sessions at once counts in one state, and releases the other', async () => {
    const bench = await Bench.create();
    const [ant, bee] = await bench.openPair();
    const names = [await bench.submit('lamp', LAMP), await bench.submit('other', LAMP)];
    const file = await bench.sendNew('lamp', 'a');
    const event = { file, id: 'a', outcome: 'Ok' as const, from: 'off', to: 'on' };
    const steps = [
      commitStep(ant, names[0]!, { events: [event], output: 'ant' }),
      commitStep(bee, names[1]!, { events: [event], output: 'bee' }),
    ];
    expect(await ant.claim(names[0]!, OPEN)).toBe('ours');
    expect(await bee.claim(names[1]!, OPEN)).toBe('ours');
    await Promise.all([bench.settle(ant, [steps[0]!]), bench.settle(bee, [steps[1]!])]);
    expect(steps.map(({ progress }) => progress)).toEqual(['settled', 'settled']);
    expect(steps.filter(({ lost }) => lost)).toHaveLength(1);
    const lost = names[steps.findIndex((one) => one.lost)]!;
    expect(await bench.client.eventResult('a')).toMatchObject({ outcome: event });
    expect((await ant.snapshot()).tasks.names).toEqual([lost]);
  });

  test('committed twice by one session counts in the first state, and releases the second', async () => {
    const bench = await Bench.create();
    const ant = await bench.open('ant');
    const names = [await bench.submit('lamp', LAMP), await bench.submit('other', LAMP)];
    const file = await bench.sendNew('lamp', 'a');
    const event = { file, id: 'a', outcome: 'Ok' as const, from: 'off', to: 'on' };
    for (const name of names) expect(await ant.claim(name, OPEN)).toBe('ours');
    const steps = names.map((name) => commitStep(ant, name, { events: [event] }));
    await bench.settle(ant, steps);
    expect(steps).toMatchObject([
      { progress: 'settled', lost: false },
      { progress: 'settled', lost: true },
    ]);
    expect((await ant.snapshot()).tasks.names).toEqual([names[1]]);
  });

  test('that has a result already is not applied again when a step emits it', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    const name = await bench.sendNew('lamp', 'a');
    await bench.drain(ant);
    const one = await bench.submit('one', COUNT);
    await ant.claim(one, OPEN);
    const emit = [{ name, content: '{"event":"press"}' }];
    await bench.settle(ant, [commitStep(ant, one, { emit })]);
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual(['a']);
    expect(await ant.snapshot()).toMatchObject({ delayed: 0, tasks: { size: 0 } });
  });
});

describe('an event for an instance that does not exist', () => {
  test('is applied if the instance is submitted within the grace period', async () => {
    const bench = await Bench.create();
    const ant = await bench.open('ant');
    await bench.sendNew('lamp', 'a');
    await bench.drain(ant);
    expect((await ant.snapshot()).delayed).toBe(1);
    await bench.pass(DEFAULT_GRACE_MS - 1, ant);
    await bench.drain(ant);
    expect(await bench.outcome('a')).toBeUndefined();
    await bench.submit('lamp', LAMP);
    await bench.drain(ant);
    expect(await bench.outcome('a')).toBe('Ok');
    expect((await ant.snapshot()).delayed).toBe(0);
  });

  test.each([
    [undefined, DEFAULT_GRACE_MS],
    [LEASE_MS, LEASE_MS],
    [0, 0],
    [3 * DEFAULT_GRACE_MS, 3 * DEFAULT_GRACE_MS],
  ])('with a grace of %s ms is rejected %s ms after it is due', async (grace, wait) => {
    const bench = await Bench.create();
    const ant = await bench.open('ant');
    await bench.sendNew('lamp', 'a', grace === undefined ? {} : { grace });
    const sent = bench.time.now;
    await bench.sendNew('lamp', 'b', { delay: 500, ...(grace !== undefined && { grace }) });
    if (wait > 0) {
      await bench.drain(ant);
      await bench.pass(wait - 1, ant);
      await bench.drain(ant);
      expect(await bench.outcome('a')).toBeUndefined();
      await bench.pass(1, ant);
    }
    await bench.drain(ant);
    expect(await bench.client.eventResult('a')).toMatchObject({
      outcome: { outcome: 'FsmNotFound', reason: 'there is no instance lamp' },
    });
    const due = sent + 500;
    if (bench.time.now < due) {
      await bench.pass(due - 1 - bench.time.now, ant);
      await bench.drain(ant);
      expect(await bench.outcome('b')).toBeUndefined();
    }
    await bench.passUntilDue(due, ant);
    await bench.drain(ant);
    await bench.pass(wait, ant);
    await bench.drain(ant);
    expect(await bench.outcome('b')).toBe('FsmNotFound');
    expect(await bench.send('lamp', 'a')).toMatchObject({ kind: 'over' });
    // An instance that is submitted later does not get them.
    await bench.submit('lamp', LAMP);
    await bench.drain(ant);
    expect(await bench.applied('lamp')).toEqual([]);
  });
});

test('an event for an instance that has ended is rejected as soon as it is due', async () => {
  const bench = await Bench.create();
  await bench.submit('one', COUNT);
  const ant = await bench.open('ant');
  await bench.drain(ant);
  await bench.sendNew('one', 'a');
  await bench.sendNew('one', 'b', { delay: 100 });
  await bench.drain(ant);
  expect(await bench.client.eventResult('a')).toMatchObject({
    outcome: { outcome: 'EventNotAllowed', reason: 'one has ended with one.state' },
  });
  await bench.pass(99, ant);
  await bench.drain(ant);
  expect(await bench.outcome('b')).toBeUndefined();
  await bench.passUntilDue(bench.time.now + 1, ant);
  await bench.drain(ant);
  expect(await bench.outcome('b')).toBe('EventNotAllowed');
});

test('an instance whose first state file is a later step gets its events there', async () => {
  const bench = await Bench.create();
  await bench.submit('lamp.state-3', LAMP);
  const ant = await bench.open('ant');
  await bench.sendNew('lamp', 'a', { grace: 0 });
  await ant.snapshot();
  await ant.recover(1, OPEN);
  expect(await bench.outcome('a')).toBeUndefined();
  await bench.drain(ant);
  expect(await bench.outcome('a')).toBe('Ok');
});

test('an event for a failed instance waits, beyond its grace, until the state is retried', async () => {
  const bench = await Bench.create();
  const name = await bench.submit('lamp', LAMP);
  const ant = await bench.open('ant');
  await bench.fail(ant, name);
  await bench.sendNew('lamp', 'a', { grace: 0 });
  await bench.pass(DEFAULT_GRACE_MS, ant);
  await bench.drain(ant);
  expect(await bench.outcome('a')).toBeUndefined();
  expect(await bench.retry(name)).toBe(true);
  await bench.drain(ant);
  expect(await bench.outcome('a')).toBe('Ok');
});

test('an emitted event is applied once, and a timer fires while its instance waits', async () => {
  const bench = await Bench.create();
  for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
  const ant = await bench.open('ant');
  await bench.sendNew('lamp', 'a', { details: { tell: ['other', 'missing'] } });
  await bench.sendNew('other', 'b', { event: 'fade' });
  await bench.drain(ant);
  expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
  expect((await bench.client.get('other'))?.state).toBe('dying');
  // The event for `missing`, and the timer.
  expect((await ant.snapshot()).delayed).toBe(2);
  await bench.passUntilDue(bench.time.now + 2000, ant);
  await bench.drain(ant);
  expect((await bench.client.get('other'))?.state).toBe('off');
  const steps = await bench.client.history('other');
  const events = steps.flatMap((step) => step.events);
  expect(events).toMatchObject([
    { event: 'fade' },
    { event: 'press', originator: 'lamp.state' },
    { event: 'end', originator: 'other.state' },
  ]);
  expect(events[0]?.originator).toBeUndefined();
});
