/** What a session may rely on: claims, commits, and whatever else becomes of a state. */
import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../src/machine/record.ts';
import type { Change, VolumeOperations } from '../../src/volume/operations.ts';
import {
  Bench,
  bytesOf,
  CLOSED,
  commitStep,
  CYCLE,
  CYCLE_LENGTH,
  FOLLOW,
  LAMP,
  newStep,
  OPEN,
  type MakeStore,
} from './bench.ts';

type CommitChange = Extract<Change, { kind: 'commit' }>;

const ONE = { state: 'count', payload: { left: 0 } };
const NEXT = { name: 'one.state-1', content: JSON.stringify(ONE) };

function failedAttempt(by: VolumeOperations, notBefore: string): Attempt {
  const { session, worker } = by.token;
  const now = by.stamp();
  return { attempt: 1, session, worker, started: now, ended: now, result: 'failed', notBefore };
}

export function exerciseSessions(make: MakeStore): void {
  test('of two that claim one state one has it, and the others see that', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    for (const session of [ant, bee]) {
      expect((await session.snapshot()).tasks.names).toEqual([name]);
    }
    const outcomes = await Promise.all([ant.claim(name, OPEN), bee.claim(name, OPEN)]);
    expect(outcomes.sort()).toEqual(['ours', 'taken']);
    const { tasks, inProgress, delayed } = await bee.snapshot();
    expect([tasks.size, inProgress, delayed]).toEqual([0, 1, 0]);
  });

  test('what is done, or has failed, is claimed by nobody, whatever an old listing says', async () => {
    const bench = await Bench.of(make);
    const names = [await bench.submit('one', ONE), await bench.submit('two', ONE)];
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    await bee.snapshot();
    await bench.putAside(ant, names[1]!);
    await bench.workOff(ant);
    for (const name of names) expect(await bee.claim(name, OPEN)).toBe('finished');
    expect((await bee.snapshot()).inProgress).toBe(0);
  });

  test('a step leads to its successor, which is there for all, or followed', async () => {
    for (const guard of [OPEN, FOLLOW]) {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      expect(await ant.claim(name, OPEN)).toBe('ours');
      expect(await ant.readState(name)).toMatchObject({
        kind: 'text',
        bytes: bytesOf(ONE),
        attempts: [],
      });
      const step = commitStep(ant, name, { next: NEXT });
      await bench.settle(ant, [step], guard);
      const { follow } = guard;
      expect(step).toMatchObject({ progress: 'settled', lost: false, followed: follow });
      expect((await bee.snapshot()).tasks.names).toEqual(follow ? [] : [NEXT.name]);
      expect(await bee.claim(NEXT.name, OPEN)).toBe(follow ? 'taken' : 'ours');
      expect(await bench.chain('one')).toEqual(['count done', 'count in progress']);
      expect(await (follow ? ant : bee).readState(NEXT.name)).toMatchObject({
        bytes: bytesOf(NEXT.content),
      });
    }
  });

  test('a successor in which nothing runs is set aside at once, and not followed', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const next = { name: 'lamp.state-1', content: JSON.stringify(LAMP) };
    const { change } = commitStep(ant, name, { next });
    const step = newStep(name, { ...(change as CommitChange), rests: true });
    await bench.settle(ant, [step], FOLLOW);
    expect(step).toMatchObject({ progress: 'settled', followed: false });
    expect(await bench.chain('lamp')).toEqual(['lamp done', 'lamp waiting']);
    expect(await ant.snapshot()).toMatchObject({ delayed: 0, inProgress: 0, tasks: { size: 0 } });
  });

  test('before its time nothing is done, and the same steps are done later', async () => {
    const bench = await Bench.of(make);
    const names = [await bench.submit('one', ONE), await bench.submit('two', ONE)];
    const ant = await bench.open('ant');
    expect(await ant.register(CLOSED)).toBe(false);
    for (const name of names) await ant.claim(name, OPEN);
    const steps = [
      commitStep(ant, names[0]!, { next: NEXT }),
      newStep(names[1]!, { kind: 'release' }),
    ];
    await bench.settle(ant, steps, CLOSED);
    expect(steps.map(({ progress }) => progress)).not.toContain('settled');
    expect(await bench.chain('one')).toEqual(['count in progress']);
    expect((await ant.snapshot()).inProgress).toBe(2);
    await bench.settle(ant, steps);
    expect(steps.map(({ progress }) => progress)).toEqual(['settled', 'settled']);
    expect(await bench.chain('one')).toEqual(['count done', 'count available']);
    expect(await bench.chain('two')).toEqual(['count available']);
  });

  test('what is settled stays as it is, however often that is asked for', async () => {
    const bench = await Bench.of(make);
    const names = [await bench.submit('one', ONE), await bench.submit('two', ONE)];
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    for (const name of names) await ant.claim(name, OPEN);
    const steps = [commitStep(ant, names[0]!, {}), newStep(names[1]!, { kind: 'release' })];
    await bench.settle(ant, steps);
    expect(await bee.claim(names[1]!, OPEN)).toBe('ours');
    await bench.settle(ant, steps);
    expect(steps).toMatchObject([
      { progress: 'settled', lost: false },
      { progress: 'settled', lost: false },
    ]);
    expect(await bench.chain('one')).toEqual(['count done']);
    expect(await bench.chain('two')).toEqual(['count in progress']);
  });

  test('a name that is taken keeps its file, and the instance stops there', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    await bench.submit(NEXT.name, LAMP);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const step = commitStep(ant, name, { next: NEXT });
    await bench.settle(ant, [step], FOLLOW);
    expect(step).toMatchObject({ progress: 'settled', lost: false, followed: false });
    expect(await bench.chain('one')).toEqual(['count done', 'lamp failed']);
    expect((await bench.store.instances.now('one'))?.reason).toContain(NEXT.content);
    const { tasks, inProgress } = await ant.snapshot();
    expect([tasks.size, inProgress]).toEqual([0, 0]);
  });

  test('what is done stays done, whatever leads to its name', async () => {
    const bench = await Bench.of(make);
    const ant = await bench.open('ant');
    await bench.submit(NEXT.name, LAMP);
    await ant.claim(NEXT.name, OPEN);
    await bench.settle(ant, [commitStep(ant, NEXT.name, { output: 1 })]);
    const name = await bench.submit('one', ONE);
    await ant.claim(name, OPEN);
    await bench.settle(ant, [commitStep(ant, name, { next: NEXT })]);
    expect(await bench.chain('one')).toEqual(['count done', 'lamp done']);
    expect(await bench.store.instances.failed()).toEqual([]);
    expect(await bench.store.instances.retry(NEXT.name)).toBe(false);
    expect((await ant.snapshot()).tasks.size).toBe(0);
  });

  test('what was decided by another cycle’s world does not count', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const { change } = commitStep(ant, name, { next: NEXT });
    const step = newStep(name, {
      ...(change as CommitChange),
      cycle: CYCLE,
    });
    await bench.settle(ant, [step], { ...OPEN, cycle: CYCLE + 1 });
    expect(step).toMatchObject({ progress: 'settled', lost: true });
    expect(await bench.chain('one')).toEqual(['count available']);
    await ant.claim(name, OPEN);
    const again = newStep(name, step.change);
    await bench.settle(ant, [again]);
    expect(again).toMatchObject({ progress: 'settled', lost: false });
  });

  describe('a state that is given up', () => {
    test('for another attempt has that counted, and comes back when it is due', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const ant = await bench.open('ant');
      await ant.claim(name, OPEN);
      const notBefore = new Date(Date.parse(ant.stamp()) + 500).toISOString();
      const attempt = failedAttempt(ant, notBefore);
      await bench.settle(ant, [newStep(name, { kind: 'retry', attempt })]);
      const { tasks, delayed, inProgress } = await ant.snapshot();
      expect([tasks.size, delayed, inProgress]).toEqual([0, 1, 0]);
      expect(await ant.claim(name, OPEN)).toBe('delayed');
      expect(await bench.store.instances.now('one')).toMatchObject({
        flag: 'available',
        attempts: [attempt],
      });
      await bench.pass(499, ant);
      expect((await ant.snapshot()).tasks.size).toBe(0);
      await bench.passUntilDue(Date.parse(notBefore), ant);
      expect((await ant.snapshot()).tasks.names).toEqual([name]);
      expect(await ant.claim(name, OPEN)).toBe('ours');
      expect(await ant.readState(name)).toMatchObject({ attempts: [attempt] });
      await bench.settle(ant, [newStep(name, { kind: 'commit', record: undefined })]);
      expect((await ant.snapshot()).delayed).toBe(0);
    });

    test('until a certain time comes back then', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const ant = await bench.open('ant');
      await ant.claim(name, OPEN);
      const notBefore = new Date(bench.time.agenda.now + 500).toISOString();
      await bench.settle(ant, [newStep(name, { kind: 'defer', notBefore })]);
      await bench.pass(499, ant);
      expect(await ant.snapshot()).toMatchObject({ delayed: 1, inProgress: 0, tasks: { size: 0 } });
      await bench.passUntilDue(Date.parse(notBefore), ant);
      expect((await ant.snapshot()).tasks.names).toEqual([name]);
    });

    test('until a moment at which all look is due in the next cycle, for all of them', async () => {
      const bench = await Bench.of(make);
      const [one, two] = [await bench.submit('one', ONE), await bench.submit('two', ONE)];
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      for (const name of [one, two]) await ant.claim(name, OPEN);
      await bench.passUntilDue(bench.time.agenda.now + 1, ant, bee);
      const notBefore = new Date(bench.time.agenda.now + CYCLE_LENGTH + 10).toISOString();
      const attempt = failedAttempt(ant, notBefore);
      await bench.settle(ant, [
        newStep(one, { kind: 'defer', notBefore }),
        newStep(two, { kind: 'retry', attempt }),
      ]);
      await bench.sent('lamp', 'late', { delay: CYCLE_LENGTH + 10 });
      expect(await bee.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
      await bench.pass(CYCLE_LENGTH + 9, ant, bee);
      expect(await ant.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
      await bench.pass(2, ant, bee);
      expect(await bee.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
      await bench.passUntilDue(Date.parse(notBefore), ant, bee);
      for (const session of [ant, bee])
        expect((await session.snapshot()).tasks.names.sort()).toEqual([one, two]);
    });

    test('because its machine is not known is dealt to others', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      await ant.claim(name, OPEN);
      await bench.settle(ant, [newStep(name, { kind: 'refuse', reason: 'no such machine' })]);
      const { tasks } = await bee.snapshot();
      expect(tasks.names).toEqual([name]);
      expect(tasks.refusedBy(name)).toEqual([ant.token.session]);
    });

    test('for events is left alone until one comes', async () => {
      const bench = await Bench.of(make);
      await bench.submit('lamp', LAMP);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      await bench.workOff(ant);
      expect(await bench.chain('lamp')).toEqual(['lamp waiting']);
      expect(await bee.snapshot()).toMatchObject({ delayed: 0, inProgress: 0, tasks: { size: 0 } });
      await bench.sent('lamp', 'a');
      expect((await bee.snapshot()).tasks.names).toEqual(['lamp.state']);
    });

    test('having failed is put aside, with the reason', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const ant = await bench.open('ant');
      await bench.putAside(ant, name);
      expect(await ant.snapshot()).toMatchObject({ delayed: 0, inProgress: 0, tasks: { size: 0 } });
      expect(await bench.chain('one')).toEqual(['count failed']);
    });
  });

  test('who is available is on the roster, under one name once', async () => {
    const bench = await Bench.of(make);
    const ant = await bench.open('ant', { concurrency: 3, capacity: 5 });
    expect((await ant.readRoster()).roster).toEqual([]);
    expect(await ant.register(OPEN)).toBe(true);
    const entry = { session: ant.token.session, name: 'ant', concurrency: 3, capacity: 5 };
    expect(await ant.readRoster()).toEqual({ roster: [entry], paused: false });
    expect((await ant.snapshot()).roster).toEqual([entry]);
    const other = await bench.open('ant');
    expect(other.token.session).not.toBe(ant.token.session);
    expect(await other.register(OPEN)).toBe(false);
    expect(await ant.withdraw(CLOSED)).toBe(false);
    expect(await ant.withdraw(OPEN)).toBe(true);
    expect((await ant.readRoster()).roster).toEqual([]);
    expect(await other.register(OPEN)).toBe(true);
    const { worker, capacity } = ant.token;
    expect((await ant.sessions()).map(({ session }) => session).sort()).toEqual(
      [ant, other].map(({ token }) => token.session).sort(),
    );
    expect([worker, capacity]).toEqual(['ant', 5]);
  });

  test('others know of machines that a session has come to have', async () => {
    const bench = await Bench.of(make);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    await bench.pass(1, ant);
    const before = ant.token.machines;
    await ant.announce({ machines: [...before, 'late'] });
    const states = { late: ['one'] };
    await ant.announce({ machines: ['late', 'later:v2'], states });
    const known = (await bee.sessions()).find(({ session }) => session === ant.token.session);
    expect(known).toMatchObject({ machines: ['late', 'later:v2'], states });
    // Its flag is its own as before.
    expect(await ant.register(OPEN)).toBe(true);
    expect(await ant.withdraw(OPEN)).toBe(true);
    await ant.leave();
    expect((await bee.sessions()).map(({ worker }) => worker)).toEqual(['bee']);
  });

  test('of two alive under one name the later one knows of the earlier', async () => {
    const bench = await Bench.of(make);
    const ant = await bench.open('ant');
    await bench.pass(1, ant);
    const [late, bee] = [await bench.open('ant'), await bench.open('bee')];
    // It may be what is left of one that has just died: nobody has seen it move.
    expect(await late.rival()).toBeUndefined();
    for (let cycle = 0; cycle < 8; cycle += 1) {
      await bench.pass(250, ant, late, bee);
      for (const session of [ant, late, bee]) await session.recover(cycle, OPEN);
    }
    expect(await ant.rival()).toBeUndefined();
    expect(await bee.rival()).toBeUndefined();
    expect((await late.rival())?.session).toBe(ant.token.session);
    bench.made.kill(ant);
    for (let cycle = 8; cycle < 20; cycle += 1) {
      await bench.pass(250, late);
      await late.recover(cycle, OPEN);
    }
    expect(await late.rival()).toBeUndefined();
  });

  test('others are seen as they were when this cycle began', async () => {
    const bench = await Bench.of(make);
    const ant = await bench.open('ant');
    await ant.readRoster();
    expect(ant.sensor('lamp')).toBeUndefined();
    expect(() => ant.sensor('other')).toThrow('nobody looks at other');
    await bench.submit('lamp', LAMP);
    expect(ant.sensor('lamp')).toBeUndefined();
    await ant.readRoster();
    expect(ant.sensor('lamp')).toMatchObject({ state: 'lamp' });
    await bench.sent('lamp', 'a');
    await bench.settle(ant, await bench.take(ant));
    expect(ant.sensor('lamp')).toMatchObject({ state: 'lamp' });
    await ant.readRoster();
    expect(ant.sensor('lamp')).toMatchObject({ state: 'on' });
  });

  test('events that come after the snapshot are for the next one', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.sent('lamp', 'a');
    await ant.snapshot();
    await bench.sent('lamp', 'b');
    await ant.claim('lamp.state', OPEN);
    expect((await ant.events('lamp.state')).map(({ id }) => id)).toEqual(['a']);
    await ant.snapshot();
    expect((await ant.events('lamp.state')).map(({ id }) => id)).toEqual(['a', 'b']);
    await bench.settle(ant, [await bench.decide(ant, 'lamp.state')]);
    await ant.claim('lamp.state-1', OPEN);
    expect(await ant.events('lamp.state-1')).toEqual([]);
  });
}
