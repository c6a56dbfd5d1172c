/** Sessions that crash or expire: other sessions finish what they had begun, once. */
import { describe, expect, test } from 'vitest';
import type {
  PhaseGuard,
  VolumeSettlement,
  VolumeOperations,
} from '../../../src/volume/operations.ts';
import { NOTHING_RECOVERED } from '../fake-operations.ts';
import {
  Bench,
  CLOSED,
  commitStep,
  COUNT,
  FOLLOW,
  LAMP,
  LEASE_MS,
  newSettlement,
  NOTHING_LEFT,
  OPEN,
  RECOVERY_CYCLES,
} from './bench.ts';

const next = (worker: string): { name: string; content: string } => ({
  name: 'one.state-1',
  content: JSON.stringify({ ...COUNT, payload: worker }),
});

/** All that a session does with two lamps. */
const LIFECYCLE: readonly [
  string,
  (bench: Bench, session: VolumeOperations, steps: VolumeSettlement[]) => Promise<unknown>,
][] = [
  ['opening', async () => undefined],
  ['register', (_, session) => session.register(OPEN)],
  ['snapshot', (_, session) => session.snapshot()],
  ['the claim of the first state', (_, session) => session.claim('lamp.state', OPEN)],
  ['the claim of the second state', (_, session) => session.claim('other.state', OPEN)],
  [
    'deciding both',
    async (bench, session, steps) => {
      for (const name of ['lamp', 'other']) {
        steps.push(await bench.decide(session, `${name}.state`));
      }
    },
  ],
  [
    'settling the first state',
    (bench, session, steps) => bench.settle(session, steps.slice(0, 1), FOLLOW),
  ],
  ['settling the second state', (bench, session, steps) => bench.settle(session, steps.slice(1))],
  ['leave', (_, session) => session.leave()],
];

/** A guard that is closed for good after it has been asked so often. */
function closedAfter(asks: number): PhaseGuard {
  let left = asks;
  const isOpen = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  return { ...FOLLOW, canBegin: isOpen, canFinish: isOpen };
}

/** Two lamps, of which the first sends the second an event. */
async function submitLamps(bench: Bench): Promise<void> {
  for (const name of ['lamp', 'other']) await bench.submit(name, LAMP);
  await bench.sendNew('lamp', 'a', { details: { tell: ['other'] } });
  await bench.sendNew('other', 'b', { event: 'fade' });
}

/** Everything is done, once, and nothing is left over. */
async function expectDone(bench: Bench, survivor: VolumeOperations): Promise<void> {
  await bench.drain(survivor);
  await bench.passUntilDue(bench.time.now + 2000, survivor);
  await bench.drain(survivor);
  expect((await bench.client.get('lamp'))?.state).toBe('on');
  expect(await bench.applied('lamp')).toEqual(['a']);
  const steps = await bench.client.history('other');
  expect(steps.at(-1)?.state).toBe('off');
  const events = steps.flatMap((step) => step.events);
  expect(events.map(({ event }) => String(event)).sort()).toEqual(['end', 'fade', 'press']);
  expect(await bench.counts(survivor)).toEqual(NOTHING_LEFT);
  expect(await survivor.countUnfinishedCommits()).toBe(0);
  expect(await bench.failed()).toEqual([]);
}

describe('another session finishes the work of one that crashes', () => {
  test.each(LIFECYCLE.map(([what], index) => [what, index] as const))(
    'after %s',
    async (_what, last) => {
      const bench = await Bench.create();
      await submitLamps(bench);
      const [ant, bee] = await bench.openPair();
      const steps: VolumeSettlement[] = [];
      for (const [, act] of LIFECYCLE.slice(0, last + 1)) await act(bench, ant, steps);
      await bench.expire(bee, ant);
      expect((await bee.readRoster()).roster).toEqual([]);
      expect((await bee.sessions()).map(({ worker }) => worker)).toEqual(['bee']);
      expect((await bee.snapshot()).inProgress).toBe(0);
      await expectDone(bench, bee);
    },
  );

  test('when its guard has closed, at each point of settle', async () => {
    for (let asks = 0, isThrough = false; !isThrough; asks += 1) {
      const bench = await Bench.create();
      await submitLamps(bench);
      const [ant, bee] = await bench.openPair();
      const steps = await bench.claimAll(ant);
      await ant.settle(steps, closedAfter(asks));
      isThrough = steps.every(({ progress }) => progress === 'settled');
      await bench.expire(bee, ant);
      await expectDone(bench, bee);
      expect(asks).toBeLessThan(100);
    }
  });
});

describe('recover', () => {
  test('does not touch a session that is alive, however long it holds a state', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    expect(await ant.register(OPEN)).toBe(true);
    await ant.claim(name, OPEN);
    for (let cycle = 0; cycle < 20; cycle += 1) {
      await bench.pass(LEASE_MS / 4, ant, bee);
      expect(await bee.recover(cycle, OPEN)).toMatchObject({ broken: [], dropped: [] });
    }
    expect((await bee.readRoster()).roster).toHaveLength(1);
    expect((await bee.snapshot()).inProgress).toBe(1);
  });

  test('reports an expired session once, and counts its lost attempt once', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    const cat = await bench.open('cat');
    await ant.register(OPEN);
    await ant.claim(name, OPEN);
    bench.kill(ant);
    const found: { broken: string[]; dropped: string[] } = { broken: [], dropped: [] };
    for (let cycle = 0; cycle < RECOVERY_CYCLES; cycle += 1) {
      await bench.pass(LEASE_MS / 4, bee, cat);
      for (const one of await Promise.all([bee.recover(cycle, OPEN), cat.recover(cycle, OPEN)])) {
        found.broken.push(...one.broken);
        found.dropped.push(...one.dropped);
      }
    }
    expect(found).toEqual({ broken: [ant.token.session], dropped: [name] });
    expect(await bee.claim(name, OPEN)).toBe('ours');
    const read = await bee.readState(name);
    expect(read).toMatchObject({ attempts: [{ attempt: 1, worker: 'ant', result: 'lost' }] });
    expect(read.kind === 'text' && read.attempts).toHaveLength(1);
  });

  test('changes nothing while its guard is closed', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    await ant.register(OPEN);
    await ant.claim(name, OPEN);
    bench.kill(ant);
    for (let cycle = 0; cycle < RECOVERY_CYCLES; cycle += 1) {
      await bench.pass(LEASE_MS / 4, bee);
      expect(await bee.recover(cycle, CLOSED)).toEqual({ ...NOTHING_RECOVERED, claims: 1 });
    }
    expect((await bee.readRoster()).roster).toHaveLength(1);
    expect((await bee.snapshot()).inProgress).toBe(1);
  });

  test('counts no lost attempt for a state without an activity', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const [ant, bee] = await bench.openPair();
    await bench.drain(bee);
    await bench.sendNew('lamp', 'a');
    await ant.snapshot();
    expect(await ant.claim('lamp.state', OPEN)).toBe('ours');
    await bench.expire(bee, ant);
    expect((await bench.client.get('lamp'))?.attempts).toEqual([]);
    await bench.drain(bee);
    expect(await bench.outcome('a')).toBe('Ok');
  });

  test('frees the worker name of an expired session', async () => {
    const bench = await Bench.create();
    const [ant, bee] = await bench.openPair();
    expect(await ant.register(OPEN)).toBe(true);
    const again = await bench.open('ant');
    expect(await again.register(OPEN)).toBe(false);
    bench.kill(ant);
    for (let cycle = 0; cycle < RECOVERY_CYCLES; cycle += 1) {
      await bench.pass(LEASE_MS / 4, bee, again);
      await bee.recover(cycle, OPEN);
      await again.recover(cycle, OPEN);
    }
    expect(await again.register(OPEN)).toBe(true);
    expect(await again.rival()).toBeUndefined();
  });

  test('drops claims of its own session that are not held', async () => {
    const bench = await Bench.create();
    const names = [await bench.submit('one', COUNT), await bench.submit('two', COUNT)];
    const [ant, bee] = await bench.openPair();
    for (const name of names) await ant.claim(name, OPEN);
    for (let cycle = 0; cycle < 8; cycle += 1) {
      await bench.pass(LEASE_MS / 4, ant, bee);
      await ant.recover(cycle, OPEN, { isHeld: (name) => name === 'two.state' });
    }
    expect((await bee.snapshot()).tasks.names).toEqual(['one.state']);
  });
});

test('a session expires one lease after its deadline', async () => {
  const bench = await Bench.create();
  const [ant, bee] = await bench.openPair();
  ant.setDeadline(bench.time.now + LEASE_MS);
  const broken: string[] = [];
  for (let cycle = 0; cycle < 16; cycle += 1) {
    await bench.pass(LEASE_MS / 4, bee);
    await ant.check();
    broken.push(...(await bee.recover(cycle, OPEN)).broken);
    if (cycle < 5) expect(broken).toEqual([]);
  }
  expect(broken).toEqual([ant.token.session]);
  expect(await ant.check()).toBe('broken');
});

describe('an expired session that comes back', () => {
  /** `ant` has claimed a state and expired; `bee` has claimed it since. */
  async function claimedAnew(): Promise<{
    bench: Bench;
    name: string;
    ant: VolumeOperations;
    bee: VolumeOperations;
    /** The commit of `ant`, decided before it expired. */
    stale: VolumeSettlement;
  }> {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    await ant.claim(name, OPEN);
    const stale = commitStep(ant, name, { next: next('ant') });
    await bench.expire(bee, ant);
    expect(await bee.claim(name, OPEN)).toBe('ours');
    return { bench, name, ant, bee, stale };
  }

  test('loses to a commit made since, and check returns broken', async () => {
    const { bench, name, ant, bee, stale } = await claimedAnew();
    const step = commitStep(bee, name, { next: next('bee') });
    await bench.settle(bee, [step]);
    await ant.settle([stale], FOLLOW);
    expect(step.lost).toBe(false);
    expect(stale).toMatchObject({ lost: true, followed: false });
    const steps = await bench.client.history('one');
    expect(steps.map(({ payload }) => payload)).toEqual([{ left: 0 }, 'bee']);
    expect(steps[0]).toMatchObject({ worker: 'bee', flag: 'done' });
    expect((await bee.snapshot()).tasks.names).toEqual(['one.state-1']);
    expect(await ant.check()).toBe('broken');
  });

  test('commits at the same time as another session, and exactly one commit counts', async () => {
    const { bench, name, ant, bee, stale } = await claimedAnew();
    const step = commitStep(bee, name, { next: next('bee') });
    await Promise.all([ant.settle([stale], OPEN), bee.settle([step], OPEN)]);
    expect(step.lost).toBe(!stale.lost);
    const [first, second] = await bench.client.history('one');
    const winner = step.lost ? 'ant' : 'bee';
    expect(first?.worker).toBe(winner);
    expect(second?.payload).toBe(winner);
  });

  test.each(['fail', 'release', 'retry', 'wait', 'refuse'] as const)(
    'cannot undo the commit of another session: %s',
    async (kind) => {
      const { bench, name, ant, bee } = await claimedAnew();
      await bench.settle(bee, [commitStep(bee, name, { output: 'bee' })]);
      await ant.settle([newSettlement(name, changeOf(ant, name, kind))], OPEN);
      expect(await bench.client.get('one')).toMatchObject({
        flag: 'done',
        output: 'bee',
        reason: undefined,
      });
      expect(await bench.failed()).toEqual([]);
      expect(await bench.counts(bee)).toEqual(NOTHING_LEFT);
    },
  );

  test('releases only its own claims', async () => {
    const { bench, name, ant, bee } = await claimedAnew();
    await ant.settle([newSettlement(name, { kind: 'release' })], OPEN);
    await ant.leave();
    expect(await bench.chain('one')).toEqual(['count in progress']);
    expect((await bee.snapshot()).inProgress).toBe(1);
  });
});

function changeOf(
  session: VolumeOperations,
  name: string,
  kind: 'fail' | 'release' | 'retry' | 'wait' | 'refuse',
): VolumeSettlement['change'] {
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
