/** What a session may rely on: snapshots, claims, and what `settle` does with a claimed state. */
import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../../src/machine/record.ts';
import type { VolumeOperations } from '../../../src/volume/operations.ts';
import { DECIDED_IN } from '../decide.ts';
import {
  Bench,
  bytesOf,
  CLOSED,
  commitStep,
  COUNT,
  CYCLE_MS,
  FOLLOW,
  LAMP,
  newSettlement,
  NOTHING_LEFT,
  OPEN,
} from './bench.ts';

const NEXT = { name: 'one.state-1', content: JSON.stringify(COUNT) };

function failedAttempt(by: VolumeOperations, notBefore: string): Attempt {
  const { session, worker } = by.token;
  const now = by.stamp();
  return { attempt: 1, session, worker, started: now, ended: now, result: 'failed', notBefore };
}

describe('claim', () => {
  test('gives a state to one of two sessions, and the other sees it in progress', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    for (const session of [ant, bee]) {
      expect((await session.snapshot()).tasks.names).toEqual([name]);
    }
    const outcomes = await Promise.all([ant.claim(name, OPEN), bee.claim(name, OPEN)]);
    expect(outcomes.sort()).toEqual(['ours', 'taken']);
    expect(await bench.counts(bee)).toEqual({ tasks: 0, inProgress: 1, delayed: 0 });
  });

  test('is refused for a done or failed state that an older snapshot still has', async () => {
    const bench = await Bench.create();
    const names = [await bench.submit('one', COUNT), await bench.submit('two', COUNT)];
    const [ant, bee] = await bench.openPair();
    await bee.snapshot();
    await bench.fail(ant, names[1]!);
    await bench.drain(ant);
    for (const name of names) expect(await bee.claim(name, OPEN)).toBe('finished');
    expect((await bee.snapshot()).inProgress).toBe(0);
  });
});

describe('a commit', () => {
  test.each([OPEN, FOLLOW])(
    'publishes the successor, and claims it if the guard says so (follow: $follow)',
    async (guard) => {
      const { follow } = guard;
      const bench = await Bench.create();
      const name = await bench.submit('one', COUNT);
      const [ant, bee] = await bench.openPair();
      expect(await ant.claim(name, OPEN)).toBe('ours');
      expect(await ant.readState(name)).toMatchObject({
        kind: 'text',
        bytes: bytesOf(COUNT),
        attempts: [],
      });
      const step = commitStep(ant, name, { next: NEXT });
      await bench.settle(ant, [step], guard);
      expect(step).toMatchObject({ progress: 'settled', lost: false, followed: follow });
      expect((await bee.snapshot()).tasks.names).toEqual(follow ? [] : [NEXT.name]);
      expect(await bee.claim(NEXT.name, OPEN)).toBe(follow ? 'taken' : 'ours');
      expect(await bench.chain('one')).toEqual(['count done', 'count in progress']);
      expect(await (follow ? ant : bee).readState(NEXT.name)).toMatchObject({
        bytes: bytesOf(NEXT.content),
      });
    },
  );

  test('marks a successor that rests as waiting, and does not follow it', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const next = { name: 'lamp.state-1', content: JSON.stringify(LAMP) };
    const step = commitStep(ant, name, { next }, { rests: true });
    await bench.settle(ant, [step], FOLLOW);
    expect(step).toMatchObject({ progress: 'settled', followed: false });
    expect(await bench.chain('lamp')).toEqual(['lamp done', 'lamp waiting']);
    expect(await bench.counts(ant)).toEqual(NOTHING_LEFT);
  });

  test('does not replace a file that has the name of the successor, and fails that one', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    await bench.submit(NEXT.name, LAMP);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const step = commitStep(ant, name, { next: NEXT });
    await bench.settle(ant, [step], FOLLOW);
    expect(step).toMatchObject({ progress: 'settled', lost: false, followed: false });
    expect(await bench.chain('one')).toEqual(['count done', 'lamp failed']);
    expect((await bench.client.get('one'))?.reason).toContain(NEXT.content);
    expect(await ant.snapshot()).toMatchObject({ inProgress: 0, tasks: { size: 0 } });
  });

  test('leaves a done state done that has the name of the successor', async () => {
    const bench = await Bench.create();
    const ant = await bench.open('ant');
    await bench.submit(NEXT.name, LAMP);
    await ant.claim(NEXT.name, OPEN);
    await bench.settle(ant, [commitStep(ant, NEXT.name, { output: 1 })]);
    const name = await bench.submit('one', COUNT);
    await ant.claim(name, OPEN);
    await bench.settle(ant, [commitStep(ant, name, { next: NEXT })]);
    expect(await bench.chain('one')).toEqual(['count done', 'lamp done']);
    expect(await bench.failed()).toEqual([]);
    expect(await bench.retry(NEXT.name)).toBe(false);
    expect((await ant.snapshot()).tasks.size).toBe(0);
  });

  test('is lost in any other cycle than the one it is bound to', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const step = commitStep(ant, name, { next: NEXT }, { cycle: DECIDED_IN });
    await bench.settle(ant, [step], { ...OPEN, cycle: DECIDED_IN + 1 });
    expect(step).toMatchObject({ progress: 'settled', lost: true });
    expect(await bench.chain('one')).toEqual(['count available']);
    await ant.claim(name, OPEN);
    const again = newSettlement(name, step.change);
    await bench.settle(ant, [again]);
    expect(again).toMatchObject({ progress: 'settled', lost: false });
  });
});

describe('settle', () => {
  test('does nothing while its guard is closed, and settles the same steps later', async () => {
    const bench = await Bench.create();
    const names = [await bench.submit('one', COUNT), await bench.submit('two', COUNT)];
    const ant = await bench.open('ant');
    for (const name of names) await ant.claim(name, OPEN);
    const steps = [
      commitStep(ant, names[0]!, { next: NEXT }),
      newSettlement(names[1]!, { kind: 'release' }),
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

  test('changes nothing when it is called again with settled steps', async () => {
    const bench = await Bench.create();
    const names = [await bench.submit('one', COUNT), await bench.submit('two', COUNT)];
    const [ant, bee] = await bench.openPair();
    for (const name of names) await ant.claim(name, OPEN);
    const steps = [commitStep(ant, names[0]!, {}), newSettlement(names[1]!, { kind: 'release' })];
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

  test('retry counts the attempt, and delays the next one', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const notBefore = new Date(Date.parse(ant.stamp()) + 500).toISOString();
    const attempt = failedAttempt(ant, notBefore);
    await bench.settle(ant, [newSettlement(name, { kind: 'retry', attempt })]);
    expect(await bench.counts(ant)).toEqual({ tasks: 0, inProgress: 0, delayed: 1 });
    expect(await ant.claim(name, OPEN)).toBe('delayed');
    expect(await bench.client.get('one')).toMatchObject({
      flag: 'available',
      attempts: [attempt],
    });
    await bench.pass(499, ant);
    expect((await ant.snapshot()).tasks.size).toBe(0);
    await bench.passUntilDue(Date.parse(notBefore), ant);
    expect((await ant.snapshot()).tasks.names).toEqual([name]);
    expect(await ant.claim(name, OPEN)).toBe('ours');
    expect(await ant.readState(name)).toMatchObject({ attempts: [attempt] });
    await bench.settle(ant, [newSettlement(name, { kind: 'commit', record: undefined })]);
    expect((await ant.snapshot()).delayed).toBe(0);
  });

  test('defer delays the state until the time given', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await ant.claim(name, OPEN);
    const notBefore = new Date(bench.time.now + 500).toISOString();
    await bench.settle(ant, [newSettlement(name, { kind: 'defer', notBefore })]);
    await bench.pass(499, ant);
    expect(await bench.counts(ant)).toEqual({ tasks: 0, inProgress: 0, delayed: 1 });
    await bench.passUntilDue(Date.parse(notBefore), ant);
    expect((await ant.snapshot()).tasks.names).toEqual([name]);
  });

  test('what is delayed until a time within a cycle is due in the next one, for every session', async () => {
    const bench = await Bench.create();
    const [one, two] = [await bench.submit('one', COUNT), await bench.submit('two', COUNT)];
    const [ant, bee] = await bench.openPair();
    for (const name of [one, two]) await ant.claim(name, OPEN);
    await bench.passUntilDue(bench.time.now + 1, ant, bee);
    const notBefore = new Date(bench.time.now + CYCLE_MS + 10).toISOString();
    const attempt = failedAttempt(ant, notBefore);
    await bench.settle(ant, [
      newSettlement(one, { kind: 'defer', notBefore }),
      newSettlement(two, { kind: 'retry', attempt }),
    ]);
    await bench.sendNew('lamp', 'late', { delay: CYCLE_MS + 10 });
    expect(await bee.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
    await bench.pass(CYCLE_MS + 9, ant, bee);
    expect(await ant.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
    await bench.pass(2, ant, bee);
    expect(await bee.snapshot()).toMatchObject({ delayed: 3, tasks: { size: 0 } });
    await bench.passUntilDue(Date.parse(notBefore), ant, bee);
    for (const session of [ant, bee]) {
      expect((await session.snapshot()).tasks.names.sort()).toEqual([one, two]);
    }
  });

  test('refuse leaves the state to other sessions, with a list of the sessions that refused it', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    await ant.claim(name, OPEN);
    await bench.settle(ant, [newSettlement(name, { kind: 'refuse', reason: 'no such machine' })]);
    const { tasks } = await bee.snapshot();
    expect(tasks.names).toEqual([name]);
    expect(tasks.refusedBy(name)).toEqual([ant.token.session]);
  });

  test('wait takes the state out of the tasks until an event is sent', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const [ant, bee] = await bench.openPair();
    await bench.drain(ant);
    expect(await bench.chain('lamp')).toEqual(['lamp waiting']);
    expect(await bench.counts(bee)).toEqual(NOTHING_LEFT);
    await bench.sendNew('lamp', 'a');
    await bench.submit('other', COUNT);
    const { tasks, woken } = await bee.snapshot();
    expect(tasks.names.toSorted()).toEqual(['lamp.state', 'other.state']);
    expect([...woken]).toEqual(['lamp.state']);
  });

  test('fail takes the state out of the tasks', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await bench.fail(ant, name);
    expect(await bench.counts(ant)).toEqual(NOTHING_LEFT);
    expect(await bench.chain('one')).toEqual(['count failed']);
  });
});

describe('registration', () => {
  test('puts a session on the roster, and only one session of a worker name', async () => {
    const bench = await Bench.create();
    const ant = await bench.open('ant', { concurrency: 3, capacity: 5 });
    expect((await ant.readRoster()).roster).toEqual([]);
    expect(await ant.register(CLOSED)).toBe(false);
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
    expect((await ant.sessions()).map(({ session }) => session).sort()).toEqual(
      [ant, other].map(({ token }) => token.session).sort(),
    );
    expect(ant.token).toMatchObject({ worker: 'ant', capacity: 5 });
  });

  test('announce replaces the machines that other sessions see', async () => {
    const bench = await Bench.create();
    const [ant, bee] = await bench.openPair();
    await bench.pass(1, ant);
    const before = ant.token.machines;
    await ant.announce({ machines: [...before, 'late'] });
    const states = { late: ['one'] };
    await ant.announce({ machines: ['late', 'later:v2'], states });
    const known = (await bee.sessions()).find(({ session }) => session === ant.token.session);
    expect(known).toMatchObject({ machines: ['late', 'later:v2'], states });
    // The session can still set and remove its flag.
    expect(await ant.register(OPEN)).toBe(true);
    expect(await ant.withdraw(OPEN)).toBe(true);
    await ant.leave();
    expect((await bee.sessions()).map(({ worker }) => worker)).toEqual(['bee']);
  });

  test('rival returns the earlier of two live sessions of one worker name to the later one', async () => {
    const bench = await Bench.create();
    const ant = await bench.open('ant');
    await bench.pass(1, ant);
    const [late, bee] = [await bench.open('ant'), await bench.open('bee')];
    // Its heartbeat has not been observed yet: the lease may be left over from a crash.
    expect(await late.rival()).toBeUndefined();
    for (let cycle = 0; cycle < 8; cycle += 1) {
      await bench.pass(250, ant, late, bee);
      for (const session of [ant, late, bee]) await session.recover(cycle, OPEN);
    }
    expect(await ant.rival()).toBeUndefined();
    expect(await bee.rival()).toBeUndefined();
    expect((await late.rival())?.session).toBe(ant.token.session);
    bench.kill(ant);
    for (let cycle = 8; cycle < 20; cycle += 1) {
      await bench.pass(250, late);
      await late.recover(cycle, OPEN);
    }
    expect(await late.rival()).toBeUndefined();
  });
});

test('sensors show other instances as they were when the roster was last read', async () => {
  const bench = await Bench.create();
  const ant = await bench.open('ant');
  await ant.readRoster();
  expect(ant.sensor('lamp')).toBeUndefined();
  expect(() => ant.sensor('other')).toThrow(/other.*sensors/);
  await bench.submit('lamp', LAMP);
  expect(ant.sensor('lamp')).toBeUndefined();
  await ant.readRoster();
  expect(ant.sensor('lamp')).toMatchObject({ state: 'lamp' });
  await bench.sendNew('lamp', 'a');
  await bench.settle(ant, await bench.claimAll(ant));
  expect(ant.sensor('lamp')).toMatchObject({ state: 'lamp' });
  await ant.readRoster();
  expect(ant.sensor('lamp')).toMatchObject({ state: 'on' });
});

test('events returns those of the last snapshot', async () => {
  const bench = await Bench.create();
  await bench.submit('lamp', LAMP);
  const ant = await bench.open('ant');
  const ids = async (name: string): Promise<string[]> =>
    (await ant.events(name)).map(({ id }) => id);
  await bench.sendNew('lamp', 'a');
  await ant.snapshot();
  await bench.sendNew('lamp', 'b');
  await ant.claim('lamp.state', OPEN);
  expect(await ids('lamp.state')).toEqual(['a']);
  await ant.snapshot();
  expect(await ids('lamp.state')).toEqual(['a', 'b']);
  await bench.settle(ant, [await bench.decide(ant, 'lamp.state')]);
  await ant.claim('lamp.state-1', OPEN);
  expect(await ids('lamp.state-1')).toEqual([]);
});
