/** Events: on their way, applied once, in order; and those that nobody waits for. */
import { describe, expect, test } from 'vitest';
import type { EventFile } from '../../src/machine/event.ts';
import type { VolumeOperations, Step } from '../../src/volume/operations.ts';
import { Bench, commitStep, LAMP, LEASE, OPEN, type MakeStore } from './bench.ts';

const GRACE = 10_000;

export function exerciseEvents(make: MakeStore): void {
  test('an event is applied, what became of it is told, and it is not sent again', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    expect(await bench.store.outcomes.of('a')).toBeUndefined();
    await bench.sent('lamp', 'a');
    expect(await bench.store.outcomes.of('a')).toBeUndefined();
    await bench.workOff(ant);
    const over = {
      kind: 'over',
      outcome: { id: 'a', outcome: 'Ok', from: 'off', to: 'on' },
      state: 'lamp.state',
    };
    expect(await bench.store.outcomes.of('a')).toMatchObject(over);
    expect(await bench.send('lamp', 'a')).toMatchObject(over);
    await bench.workOff(ant);
    expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
    expect(await bench.applied('lamp')).toEqual(['a']);
  });

  test.each<[string, string, Partial<EventFile>]>([
    ['.lamp', 'a', {}],
    ['a/b', 'a', {}],
    ['', 'a', {}],
    ['x'.repeat(201), 'a', {}],
    ['lamp', '', {}],
    ['lamp', 'a b', {}],
    ['lamp', '../a', {}],
    ['lamp', 'i'.repeat(37), {}],
    ['lamp', 'a', { event: '' }],
    ['lamp', 'a', { delay: -1 }],
    ['lamp', 'a', { delay: 1e15 }],
    ['lamp', 'a', { grace: -1 }],
    ['lamp', 'a', { grace: Number.NaN }],
    ['lamp', 'a', { details: 'x'.repeat(1024 * 1024) }],
    ['lamp', 'a', { details: 1n as never }],
    ['lamp', 'a', { details: { size: Number.NaN } }],
  ])('what is no event is refused, and nothing is sent: no. %#', async (...message) => {
    const bench = await Bench.of(make);
    await expect(bench.send(...message)).rejects.toMatchObject({ code: 'bad-event' });
    const ant = await bench.open('ant');
    expect((await ant.snapshot()).delayed).toBe(0);
  });

  test('what its machine does not allow is an outcome too, and the state stays', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.sent('lamp', 'a', { event: 'explode' });
    await bench.sent('lamp', 'b');
    await bench.workOff(ant);
    expect(await bench.outcome('a')).toBe('EventNotAllowed');
    expect(await bench.outcome('b')).toBe('Ok');
    expect((await bench.store.instances.now('lamp'))?.state).toBe('on');
  });

  test('they are applied in the order in which they were sent, those of one moment by id', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    for (const id of ['m', 'z', 'a']) {
      await bench.sent('lamp', id);
      await bench.pass(1, ant);
    }
    for (const id of ['d', 'b', 'c']) await bench.sent('lamp', id);
    await bench.workOff(ant);
    expect(await bench.applied('lamp')).toEqual(['m', 'z', 'a', 'b', 'c', 'd']);
  });

  test('of very many all are applied, in order', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    const ids = Array.from({ length: 150 }, (_, index) => `e${String(index).padStart(3, '0')}`);
    await Promise.all(ids.map((id) => bench.sent('lamp', id)));
    await bench.workOff(ant);
    expect(await bench.applied('lamp')).toEqual(ids);
  });

  test('a delayed one waits for its time, and comes after what was sent before that', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.sent('lamp', 'late', { delay: 5000 });
    await bench.workOff(ant);
    expect((await ant.snapshot()).delayed).toBe(1);
    await bench.pass(4000, ant);
    await bench.sent('lamp', 'early');
    await bench.pass(999, ant);
    const { tasks } = await ant.snapshot();
    expect(tasks.names).toEqual(['lamp.state']);
    await bench.workOff(ant);
    expect(await bench.applied('lamp')).toEqual(['early']);
    await bench.passUntilDue(bench.time.agenda.now + 1, ant);
    await bench.workOff(ant);
    expect(await bench.applied('lamp')).toEqual(['early', 'late']);
    expect((await ant.snapshot()).delayed).toBe(0);
  });

  test.each([true, false])(
    'the same id twice is applied once, to one of two (at once: %s)',
    async (atOnce) => {
      const bench = await Bench.of(make);
      for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
      const ant = await bench.open('ant');
      await bench.workOff(ant);
      const sends = ['lamp', 'lamp', 'other', 'other'].map((to) => () => bench.sent(to, 'a'));
      if (atOnce) await Promise.all(sends.map((send) => send()));
      else for (const send of sends) await send().then(() => bench.pass(1, ant));
      await bench.workOff(ant);
      const applied = [...(await bench.applied('lamp')), ...(await bench.applied('other'))];
      expect(applied).toEqual(['a']);
      const over = await bench.store.outcomes.of('a');
      expect((await bench.store.history.steps(over!.state!.split('.')[0]!))[1]?.state).toBe('on');
      const snapshot = await ant.snapshot();
      expect([snapshot.tasks.size, snapshot.delayed, snapshot.inProgress]).toEqual([0, 0, 0]);
    },
  );

  test('two states that are to have the same event: one has it, the other is looked at anew', async () => {
    const bench = await Bench.of(make);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    const names = [await bench.submit('lamp', LAMP), await bench.submit('other', LAMP)];
    const file = await bench.sent('lamp', 'a');
    const event = { file, id: 'a', outcome: 'Ok' as const, from: 'off', to: 'on' };
    const step = (session: VolumeOperations, name: string): Step =>
      commitStep(session, name, { events: [event], output: session.token.worker });
    const steps = [step(ant, names[0]!), step(bee, names[1]!)];
    expect(await ant.claim(names[0]!, OPEN)).toBe('ours');
    expect(await bee.claim(names[1]!, OPEN)).toBe('ours');
    await Promise.all([bench.settle(ant, [steps[0]!]), bench.settle(bee, [steps[1]!])]);
    expect(steps.map(({ progress }) => progress)).toEqual(['settled', 'settled']);
    expect(steps.filter(({ lost }) => lost)).toHaveLength(1);
    const lost = names[steps.findIndex((one) => one.lost)]!;
    expect(await bench.store.outcomes.of('a')).toMatchObject({ outcome: event });
    expect((await ant.snapshot()).tasks.names).toEqual([lost]);
  });

  test('two of one session that are to have the same event: as well', async () => {
    const bench = await Bench.of(make);
    const ant = await bench.open('ant');
    const names = [await bench.submit('lamp', LAMP), await bench.submit('other', LAMP)];
    const file = await bench.sent('lamp', 'a');
    const event = { file, id: 'a', outcome: 'Ok' as const, from: 'off', to: 'on' };
    for (const name of names) expect(await ant.claim(name, OPEN)).toBe('ours');
    const steps = names.map((name) => commitStep(ant, name, { events: [event] }));
    await bench.settle(ant, steps);
    expect(steps.map(({ lost }) => lost)).toEqual([false, true]);
    expect(steps.map(({ progress }) => progress)).toEqual(['settled', 'settled']);
    expect((await ant.snapshot()).tasks.names).toEqual([names[1]]);
  });

  describe('for an instance that is not there', () => {
    test('an event waits, and is applied when it comes in time', async () => {
      const bench = await Bench.of(make);
      const ant = await bench.open('ant');
      await bench.sent('lamp', 'a');
      await bench.workOff(ant);
      expect((await ant.snapshot()).delayed).toBe(1);
      await bench.pass(GRACE - 1, ant);
      await bench.workOff(ant);
      expect(await bench.outcome('a')).toBeUndefined();
      await bench.submit('lamp', LAMP);
      await bench.workOff(ant);
      expect(await bench.outcome('a')).toBe('Ok');
      expect((await ant.snapshot()).delayed).toBe(0);
    });

    test.each([
      [undefined, GRACE],
      [LEASE, LEASE],
      [0, 0],
      [3 * GRACE, 3 * GRACE],
    ])('it is answered in the end: grace %s, after %s ms', async (grace, wait) => {
      const bench = await Bench.of(make);
      const ant = await bench.open('ant');
      await bench.sent('lamp', 'a', grace === undefined ? {} : { grace });
      const sent = bench.time.agenda.now;
      await bench.sent('lamp', 'b', { delay: 500, ...(grace !== undefined && { grace }) });
      if (wait > 0) {
        await bench.workOff(ant);
        await bench.pass(wait - 1, ant);
        await bench.workOff(ant);
        expect(await bench.outcome('a')).toBeUndefined();
        await bench.pass(1, ant);
      }
      await bench.workOff(ant);
      expect(await bench.store.outcomes.of('a')).toMatchObject({
        outcome: { outcome: 'FsmNotFound', reason: 'there is no instance lamp' },
      });
      const due = sent + 500;
      if (bench.time.agenda.now < due) {
        await bench.pass(due - 1 - bench.time.agenda.now, ant);
        await bench.workOff(ant);
        expect(await bench.outcome('b')).toBeUndefined();
      }
      await bench.passUntilDue(due, ant);
      await bench.workOff(ant);
      await bench.pass(wait, ant);
      await bench.workOff(ant);
      expect(await bench.outcome('b')).toBe('FsmNotFound');
      expect(await bench.send('lamp', 'a')).toMatchObject({ kind: 'over' });
      // What comes now has nothing to do with it.
      await bench.submit('lamp', LAMP);
      await bench.workOff(ant);
      expect(await bench.applied('lamp')).toEqual([]);
    });
  });

  test('for an instance that has ended, an event is answered at once', async () => {
    const bench = await Bench.of(make);
    await bench.submit('one', { state: 'count', payload: { left: 0 } });
    const ant = await bench.open('ant');
    await bench.workOff(ant);
    await bench.sent('one', 'a');
    await bench.sent('one', 'b', { delay: 100 });
    await bench.workOff(ant);
    expect(await bench.store.outcomes.of('a')).toMatchObject({
      outcome: { outcome: 'EventNotAllowed', reason: 'one has ended with one.state' },
    });
    await bench.pass(99, ant);
    await bench.workOff(ant);
    expect(await bench.outcome('b')).toBeUndefined();
    await bench.passUntilDue(bench.time.agenda.now + 1, ant);
    await bench.workOff(ant);
    expect(await bench.outcome('b')).toBe('EventNotAllowed');
  });

  test('an instance may begin with a later step, and has its events there', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp.state-3', LAMP);
    const ant = await bench.open('ant');
    await bench.sent('lamp', 'a', { grace: 0 });
    await ant.snapshot();
    await ant.recover(1, OPEN);
    expect(await bench.outcome('a')).toBeUndefined();
    await bench.workOff(ant);
    expect(await bench.outcome('a')).toBe('Ok');
  });

  test('what is caused under an id that is over comes to nothing', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    const name = await bench.sent('lamp', 'a');
    await bench.workOff(ant);
    const one = await bench.submit('one', { state: 'count', payload: { left: 0 } });
    await ant.claim(one, OPEN);
    const emit = [{ name, content: '{"event":"press"}' }];
    await bench.settle(ant, [commitStep(ant, one, { emit })]);
    await bench.workOff(ant);
    expect(await bench.applied('lamp')).toEqual(['a']);
    expect(await ant.snapshot()).toMatchObject({ delayed: 0, tasks: { size: 0 } });
  });

  test('for an instance that has failed, it waits until that is available again', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.putAside(ant, name);
    await bench.sent('lamp', 'a', { grace: 0 });
    await bench.pass(GRACE, ant);
    await bench.workOff(ant);
    expect(await bench.outcome('a')).toBeUndefined();
    expect(await bench.store.instances.retry(name)).toBe(true);
    await bench.workOff(ant);
    expect(await bench.outcome('a')).toBe('Ok');
  });

  test('what an event causes is an event of its own, once; timers count while nothing moves', async () => {
    const bench = await Bench.of(make);
    for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
    const ant = await bench.open('ant');
    await bench.sent('lamp', 'a', { details: { tell: ['other', 'nobody'] } });
    await bench.sent('other', 'b', { event: 'fade' });
    await bench.workOff(ant);
    expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
    expect((await bench.store.instances.now('other'))?.state).toBe('dying');
    // One for nobody, and the timer.
    expect((await ant.snapshot()).delayed).toBe(2);
    await bench.passUntilDue(bench.time.agenda.now + 2000, ant);
    await bench.workOff(ant);
    expect((await bench.store.instances.now('other'))?.state).toBe('off');
    const steps = await bench.store.history.steps('other');
    const all = steps.flatMap(({ events }) => events);
    expect(all.map(({ event, originator }) => [event, originator])).toEqual([
      ['fade', undefined],
      ['press', 'lamp.state'],
      ['end', 'other.state'],
    ]);
  });
}
