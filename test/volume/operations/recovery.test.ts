/** Sessions that die, or are taken for dead: what they had begun is finished by others, once. */
import { describe, expect, test } from 'vitest';
import type { VolumeOperations, Step, PhaseGuard } from '../../src/volume/operations.ts';
import {
  Bench,
  CLOSED,
  commitStep,
  FOLLOW,
  LAMP,
  LEASE,
  newStep,
  OPEN,
  type MakeStore,
} from './bench.ts';

const ONE = { state: 'count', payload: { left: 0 } };
const next = (worker: string): { name: string; content: string } => ({
  name: 'one.state-1',
  content: JSON.stringify({ ...ONE, payload: worker }),
});

/** What a worker does with all that is there, step by step. */
const LIFE: readonly [
  string,
  (bench: Bench, session: VolumeOperations, steps: Step[]) => Promise<unknown>,
][] = [
  ['it has come', async () => undefined],
  ['registering', (_, session) => session.register(OPEN)],
  ['looking', (_, session) => session.snapshot()],
  ['claiming the lamp', (_, session) => session.claim('lamp.state', OPEN)],
  ['claiming the other', (_, session) => session.claim('other.state', OPEN)],
  [
    'deciding',
    async (bench, session, steps) => {
      for (const name of ['lamp', 'other']) {
        steps.push(await bench.decide(session, `${name}.state`));
      }
    },
  ],
  [
    'settling the lamp',
    (bench, session, steps) => bench.settle(session, steps.slice(0, 1), FOLLOW),
  ],
  ['settling the other', (bench, session, steps) => bench.settle(session, steps.slice(1))],
  ['taking its leave', (_, session) => session.leave()],
];

/** Closes for good when it has been asked so often. */
function windowOf(asks: number): PhaseGuard {
  let left = asks;
  const may = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  return { ...FOLLOW, canBegin: may, canFinish: may };
}

/** Two lamps, of which one tells the other. */
async function lamps(bench: Bench): Promise<void> {
  for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
  await bench.sent('lamp', 'a', { details: { tell: ['other'] } });
  await bench.sent('other', 'b', { event: 'fade' });
}

/** All that was to be done is done, each thing once, and nothing is left over. */
async function expectDone(bench: Bench, survivor: VolumeOperations): Promise<void> {
  await bench.workOff(survivor);
  await bench.passUntilDue(bench.time.agenda.now + 2000, survivor);
  await bench.workOff(survivor);
  expect((await bench.store.instances.now('lamp'))?.state).toBe('on');
  expect(await bench.applied('lamp')).toEqual(['a']);
  const steps = await bench.store.history.steps('other');
  expect(steps.at(-1)?.state).toBe('off');
  const events = steps.flatMap((step) => step.events);
  expect(events.map(({ event }) => String(event)).sort()).toEqual(['end', 'fade', 'press']);
  const { tasks, delayed, inProgress } = await survivor.snapshot();
  expect([tasks.size, delayed, inProgress]).toEqual([0, 0, 0]);
  expect(await survivor.countUnfinishedCommits()).toBe(0);
  expect(await bench.store.instances.failed()).toEqual([]);
}

export function exerciseDeaths(make: MakeStore): void {
  describe('a session that dies when', () => {
    test.each(LIFE.map(([what], index) => [what, index] as const))(
      '%s is done leaves the rest to others',
      async (_what, last) => {
        const bench = await Bench.of(make);
        await lamps(bench);
        const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
        const steps: Step[] = [];
        for (const [, act] of LIFE.slice(0, last + 1)) await act(bench, ant, steps);
        await bench.bury(bee, ant);
        expect((await bee.readRoster()).roster).toEqual([]);
        expect((await bee.sessions()).map(({ worker }) => worker)).toEqual(['bee']);
        expect((await bee.snapshot()).inProgress).toBe(0);
        await expectDone(bench, bee);
      },
    );

    test('its time is over, wherever that meets it, leaves the rest to others', async () => {
      for (let asks = 0, isThrough = false; !isThrough; asks += 1) {
        const bench = await Bench.of(make);
        await lamps(bench);
        const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
        const steps = await bench.take(ant);
        await ant.settle(steps, windowOf(asks));
        isThrough = steps.every(({ progress }) => progress === 'settled');
        await bench.bury(bee, ant);
        await expectDone(bench, bee);
        expect(asks).toBeLessThan(100);
      }
    });
  });

  test('who is alive is not taken for dead, however long it takes', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    expect(await ant.register(OPEN)).toBe(true);
    await ant.claim(name, OPEN);
    for (let cycle = 0; cycle < 20; cycle += 1) {
      await bench.pass(LEASE / 4, ant, bee);
      expect(await bee.recover(cycle, OPEN)).toMatchObject({ broken: [], dropped: [] });
    }
    expect((await bee.readRoster()).roster).toHaveLength(1);
    expect((await bee.snapshot()).inProgress).toBe(1);
  });

  test('who finds the dead says so once, and a lost attempt is counted once', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    const [ant, bee, cat] = [
      await bench.open('ant'),
      await bench.open('bee'),
      await bench.open('cat'),
    ];
    await ant.register(OPEN);
    await ant.claim(name, OPEN);
    bench.made.kill(ant);
    const [broken, dropped]: string[][] = [[], []];
    for (let cycle = 0; cycle < 14; cycle += 1) {
      await bench.pass(LEASE / 4, bee, cat);
      for (const found of await Promise.all([bee.recover(cycle, OPEN), cat.recover(cycle, OPEN)])) {
        broken!.push(...found.broken);
        dropped!.push(...found.dropped);
      }
    }
    expect([broken, dropped]).toEqual([[ant.token.session], [name]]);
    expect(await bee.claim(name, OPEN)).toBe('ours');
    const intake = await bee.readState(name);
    expect(intake).toMatchObject({ attempts: [{ attempt: 1, worker: 'ant', result: 'lost' }] });
    expect(intake.kind === 'text' && intake.attempts).toHaveLength(1);
  });

  test('when it is too late for that, nobody is buried', async () => {
    const bench = await Bench.of(make);
    const name = await bench.submit('one', ONE);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    await ant.register(OPEN);
    await ant.claim(name, OPEN);
    bench.made.kill(ant);
    for (let cycle = 0; cycle < 14; cycle += 1) {
      await bench.pass(LEASE / 4, bee);
      const recovery = await bee.recover(cycle, CLOSED);
      expect(recovery).toEqual({
        broken: [],
        dropped: [],
        finished: [],
        of: [],
        foreign: [],
        passedOver: [],
      });
    }
    expect((await bee.readRoster()).roster).toHaveLength(1);
    expect((await bee.snapshot()).inProgress).toBe(1);
  });

  test('where nothing runs no attempt is lost', async () => {
    const bench = await Bench.of(make);
    await bench.submit('lamp', LAMP);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    await bench.workOff(bee);
    await bench.sent('lamp', 'a');
    await ant.snapshot();
    expect(await ant.claim('lamp.state', OPEN)).toBe('ours');
    await bench.bury(bee, ant);
    expect((await bench.store.instances.now('lamp'))?.attempts).toEqual([]);
    await bench.workOff(bee);
    expect(await bench.outcome('a')).toBe('Ok');
  });

  describe('a session that was taken for dead, and comes back,', () => {
    test('learns of it, and loses to who has done its work meanwhile', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      await ant.claim(name, OPEN);
      const stale = commitStep(ant, name, { next: next('ant') });
      await bench.bury(bee, ant);
      expect(await bee.claim(name, OPEN)).toBe('ours');
      const step = commitStep(bee, name, { next: next('bee') });
      await bench.settle(bee, [step]);
      await ant.settle([stale], FOLLOW);
      expect([step.lost, stale.lost, stale.followed]).toEqual([false, true, false]);
      const steps = await bench.store.history.steps('one');
      expect(steps.map(({ payload }) => payload)).toEqual([{ left: 0 }, 'bee']);
      expect(steps[0]).toMatchObject({ worker: 'bee', flag: 'done' });
      expect((await bee.snapshot()).tasks.names).toEqual(['one.state-1']);
      expect(await ant.check()).toBe('broken');
    });

    test('commits at the same time as another: one of the two counts', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      await ant.claim(name, OPEN);
      const stale = commitStep(ant, name, { next: next('ant') });
      await bench.bury(bee, ant);
      await bee.claim(name, OPEN);
      const step = commitStep(bee, name, { next: next('bee') });
      await Promise.all([ant.settle([stale], OPEN), bee.settle([step], OPEN)]);
      expect(step.lost).toBe(!stale.lost);
      const [first, second] = await bench.store.history.steps('one');
      const winner = step.lost ? 'ant' : 'bee';
      expect([first?.worker, second?.payload]).toEqual([winner, winner]);
    });

    test.each(['fail', 'release', 'retry', 'wait', 'refuse'] as const)(
      'cannot take what is done by others back: %s',
      async (kind) => {
        const bench = await Bench.of(make);
        const name = await bench.submit('one', ONE);
        const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
        await ant.claim(name, OPEN);
        await bench.bury(bee, ant);
        await bee.claim(name, OPEN);
        await bench.settle(bee, [commitStep(bee, name, { output: 'bee' })]);
        await ant.settle([newStep(name, changeOf(ant, name, kind))], OPEN);
        expect(await bench.store.instances.now('one')).toMatchObject({
          flag: 'done',
          output: 'bee',
          reason: undefined,
        });
        expect(await bench.store.instances.failed()).toEqual([]);
        const { tasks, inProgress, delayed } = await bee.snapshot();
        expect([tasks.size, inProgress, delayed]).toEqual([0, 0, 0]);
      },
    );

    test('gives up no claim but its own', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', ONE);
      const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
      await ant.claim(name, OPEN);
      await bench.bury(bee, ant);
      await bee.claim(name, OPEN);
      await ant.settle([newStep(name, { kind: 'release' })], OPEN);
      await ant.leave();
      expect(await bench.chain('one')).toEqual(['count in progress']);
      expect((await bee.snapshot()).inProgress).toBe(1);
    });
  });

  test('a dead session’s name is free when it is buried', async () => {
    const bench = await Bench.of(make);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    expect(await ant.register(OPEN)).toBe(true);
    const again = await bench.open('ant');
    expect(await again.register(OPEN)).toBe(false);
    for (let cycle = 0; cycle < 14; cycle += 1) {
      if (cycle === 0) bench.made.kill(ant);
      await bench.pass(LEASE / 4, bee, again);
      await bee.recover(cycle, OPEN);
      await again.recover(cycle, OPEN);
    }
    expect(await again.register(OPEN)).toBe(true);
    expect(await again.rival()).toBeUndefined();
  });

  test('past its deadline a session is heard of no more, until that is moved', async () => {
    const bench = await Bench.of(make);
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    ant.setDeadline(bench.time.agenda.now + LEASE);
    const broken: string[] = [];
    for (let cycle = 0; cycle < 16; cycle += 1) {
      await bench.pass(LEASE / 4, bee);
      await ant.check();
      broken.push(...(await bee.recover(cycle, OPEN)).broken);
      if (cycle < 5) expect(broken).toEqual([]);
    }
    expect(broken).toEqual([ant.token.session]);
    expect(await ant.check()).toBe('broken');
  });

  test('a claim of its own that it does not know of is dropped', async () => {
    const bench = await Bench.of(make);
    const names = [await bench.submit('one', ONE), await bench.submit('two', ONE)];
    const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
    for (const name of names) await ant.claim(name, OPEN);
    for (let cycle = 0; cycle < 8; cycle += 1) {
      await bench.pass(LEASE / 4, ant, bee);
      await ant.recover(cycle, OPEN, { isHeld: (name) => name === 'two.state' });
    }
    expect((await bee.snapshot()).tasks.names).toEqual(['one.state']);
  });
}

function changeOf(
  session: VolumeOperations,
  name: string,
  kind: 'fail' | 'release' | 'retry' | 'wait' | 'refuse',
): Step['change'] {
  const { session: id, worker } = session.token;
  const at = session.stamp();
  const common = { session: id, worker };
  if (kind === 'fail') {
    const why = { code: 'fatal', reason: 'too late' };
    return { kind, record: { flockwork: 1, state: name, at, ...common, ...why } };
  }
  if (kind === 'retry') {
    const when = { started: at, ended: at };
    return { kind, attempt: { attempt: 1, result: 'failed', ...common, ...when } };
  }
  return kind === 'refuse' ? { kind, reason: 'too late' } : { kind };
}
