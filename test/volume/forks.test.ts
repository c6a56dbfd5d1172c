/** I12 on a real directory: branches begin once, and are joined when the last of them has ended. */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { done, fork, next, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { FatalError } from '../../src/machine/errors.ts';
import { parseEventName } from '../../src/machine/event.ts';
import { machine } from '../../src/machine/machine.ts';
import { parseFailureRecord } from '../../src/machine/record.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { same } from '../../src/machine/table.ts';
import { isDone } from '../../src/volume/archive.ts';
import type { Files } from '../../src/volume/files.ts';
import { resetDone, resetFailed, retryState } from '../../src/volume/admin.ts';
import {
  crashingFiles,
  errno,
  interceptFiles,
  LEASE,
  OPEN,
  quickFiles,
  TestVolume,
  type CrashPoint,
  type TestSession,
} from './harness.ts';
import { decideStep, outcomeOf, post, recordsOf, take, workOff } from './post.ts';

/** While true, `pack` fails. */
let isBroken = false;
const joined: unknown[] = [];

const ORDER = machine({
  name: 'order',
  activities: {
    split: () =>
      fork({ pack: { state: 'pack' }, pay: { state: 'pay', payload: 5 } }, { state: 'ship' }),
    pack: () => {
      if (isBroken) throw new FatalError('no boxes');
      return done('box');
    },
    pay: ({ payload }) => (payload > 4 ? next('pay', payload - 1) : done({ paid: payload })),
    ship: ({ outputs, instance }: TickContext): Answer => {
      joined.push([instance, outputs]);
      return done({ ...outputs });
    },
    nest: () =>
      fork(
        { inner: { state: 'split' }, box: { state: 'box', machine: 'box' } },
        { state: 'ship', payload: 1 },
      ),
  },
});
const BOX = machine({
  name: 'box',
  states: ['open', 'shut'],
  events: ['shut'],
  initial: 'open',
  table: { open: { shut: 'shut' }, shut: { shut: same } },
});
const machines = createRegistry([ORDER, BOX]);
const off = (one: TestSession): Promise<number> => workOff(one, OPEN, machines);

async function begun(state = 'split'): Promise<{ volume: TestVolume; ant: TestSession }> {
  isBroken = false;
  joined.length = 0;
  const volume = await TestVolume.create();
  volume.put('o.state', { state, machine: 'order' });
  return { volume, ant: await volume.join('ant') };
}
const jsonOf = (volume: TestVolume, ...path: string[]): unknown =>
  JSON.parse(volume.read(...path)) as unknown;

const OUTPUTS = { pack: 'box', pay: { paid: 4 } };

/** Expects no open states, events, claims or staged records. */
function expectAllDone(volume: TestVolume): void {
  const states = volume.list('.').filter((name) => name.includes('.state'));
  expect(volume.list('done')).toEqual(states);
  for (const place of ['events', 'waiting', 'in_progress', 'failed'] as const) {
    expect(volume.list(place)).toEqual([]);
  }
  for (const session of volume.list('.flockwork', 'staging')) {
    expect(volume.list('.flockwork', 'staging', session)).toEqual([]);
  }
}

describe('a fork', () => {
  test('begins its branches, waits, and continues with their outputs', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    const steps = await take(ant, machines);
    await ant.session.settle(steps, OPEN);
    expect(jsonOf(volume, 'o~0~pack.state')).toMatchObject({
      state: 'pack',
      machine: 'order',
      branch: { of: 'o', name: 'pack' },
    });
    expect(jsonOf(volume, 'o.state-1')).toEqual({
      state: 'ship',
      machine: 'order',
      payload: {},
      join: { pack: { instance: 'o~0~pack' }, pay: { instance: 'o~0~pay' } },
    });
    expect(volume.list('waiting')).toEqual(['o.state-1']);
    await off(ant);
    expect(joined).toEqual([['o', OUTPUTS]]);
    expect(recordsOf(volume).at(-1)).toMatchObject({ state: 'o.state-3', output: OUTPUTS });
    expect(volume.list('.').filter((name) => name.includes('~'))).toEqual([
      'o~0~pack.state',
      'o~0~pay.state',
      'o~0~pay.state-1',
    ]);
    expectAllDone(volume);
  });

  test('may be in a branch; a branch that comes to a terminal state ends with its payload', async () => {
    const { volume, ant } = await begun('nest');
    using _ = volume;
    await off(ant);
    expect(volume.list('waiting')).toEqual(['o.state-2', 'o~0~box.state']);
    post(volume, 'a', { to: 'o~0~box', event: 'shut' });
    await off(ant);
    expect(joined).toEqual([
      ['o~0~inner', OUTPUTS],
      ['o', { inner: OUTPUTS, box: {} }],
    ]);
    expectAllDone(volume);
  });

  test('refuses other events while it waits for its branches', async () => {
    const { volume, ant } = await begun('nest');
    using _ = volume;
    await off(ant);
    post(volume, 'a', { to: 'o', event: 'shut' });
    const branch = { name: 'box', ended: 'stranger.state' };
    post(volume, 'b', { to: 'o', event: 'branch ended', branch });
    await off(ant);
    const refused = { outcome: 'EventNotAllowed' };
    expect(await outcomeOf(volume, 'a')).toMatchObject({
      ...refused,
      reason: 'the instance waits for its branches',
    });
    expect(await outcomeOf(volume, 'b')).toMatchObject(refused);
    expect(joined).toHaveLength(1);
    // Then no state is available.
    expect((await ant.session.snapshot()).tasks.size).toBe(0);
  });

  test('never rejects the end of a branch as unroutable: a stale cache may hide the join', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    post(volume, 'end', { to: 'p', branch: { name: 'a', ended: 'p~0~a.state-2' } });
    post(volume, 'foreign', { to: 'p', branch: { name: 'a', ended: 'q~0~a.state-2' } });
    await ant.session.snapshot();
    await volume.expire(ant);
    volume.pass(3_600_000);
    ant.beat();
    await ant.session.recover(0, OPEN);
    expect(volume.list('events')).toEqual(['19700101T000000.000Z~end@p']);
    expect(await outcomeOf(volume, 'foreign')).toMatchObject({ outcome: 'FsmNotFound' });
  });

  test('waits for a branch that has failed, until that is retried', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    isBroken = true;
    await off(ant);
    expect(volume.list('failed')).toEqual(['o~0~pack.state']);
    expect(volume.list('waiting')).toEqual(['o.state-2']);
    const { tasks, inProgress, delayed } = await ant.session.snapshot();
    expect([tasks.size, inProgress, delayed]).toEqual([0, 0, 0]);
    isBroken = false;
    await retryState(quickFiles(), volume.layout, 'o~0~pack.state');
    await off(ant);
    expect(joined).toEqual([['o', OUTPUTS]]);
    expectAllDone(volume);
  });

  test('keeps a file with a branch’s name, and puts the branch’s content into the failure', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    volume.put('o~0~pack.state', { state: 'pay', machine: 'order', payload: 1 });
    await off(ant);
    expect(jsonOf(volume, 'o~0~pack.state')).toMatchObject({ payload: 1 });
    const failure = parseFailureRecord(volume.read('failed', 'o~0~pack.state'), 'o~0~pack.state');
    expect(failure).toMatchObject({ code: 'successor-taken' });
    expect(failure?.reason).toContain('"name": "pack"');
    expect(volume.list('waiting')).toEqual(['o.state-2']);
    expect(joined).toEqual([]);
  });

  test('runs again after a reset as if for the first time', async () => {
    const { volume, ant } = await begun('nest');
    using _ = volume;
    post(volume, 'a', { to: 'o~0~box', event: 'shut' });
    isBroken = true;
    await off(ant);
    await resetDone(quickFiles(), volume.layout);
    await resetFailed(quickFiles(), volume.layout);
    expect(volume.list('.').filter((name) => name.includes('.state'))).toEqual(['o.state']);
    for (const place of ['done', 'waiting', 'failed', 'events', 'outcomes'] as const) {
      expect(volume.list(place)).toEqual([]);
    }
    isBroken = false;
    post(volume, 'a', { to: 'o~0~box', event: 'shut' });
    await off(ant);
    expect(joined.at(-1)).toEqual(['o', { inner: OUTPUTS, box: {} }]);
    expectAllDone(volume);
  });

  test('is reset from its end to its beginning', async () => {
    const { volume, ant } = await begun('nest');
    using _ = volume;
    post(volume, 'a', { to: 'o~0~box', event: 'shut' });
    await off(ant);
    const { done: order } = await resetDone(quickFiles(), volume.layout);
    // The branches’ steps come between the step that forks and the join.
    expect(order[0]).toMatch(/^o\.state-/);
    expect(order.at(-1)).toBe('o.state');
    expect(order.indexOf('o~0~inner~0~pay.state')).toBeGreaterThan(order.indexOf('o.state-1'));
    expect(order.indexOf('o~0~inner~0~pay.state')).toBeLessThan(order.indexOf('o~0~inner.state'));
    expect(order.indexOf('o~0~inner~0~pay.state')).toBeGreaterThan(
      order.indexOf('o~0~inner.state-1'),
    );
    expect(order.indexOf('o~0~box.state')).toBeGreaterThan(order.indexOf('o~0~box.state-1'));
  });
});

describe('after a crash at any point, another session finishes the fork once', () => {
  /** Settles all work. Returns the number of file operations. */
  async function crashAt(point: CrashPoint): Promise<number> {
    const { volume } = await begun();
    using _ = volume;
    const { files, arm, used } = crashingFiles(quickFiles(), point);
    arm();
    const victim = await volume.join('victim', files).catch(() => undefined);
    if (victim !== undefined) await off(victim).catch(() => undefined);
    const survivor = await volume.join('survivor');
    for (let round = 0; round < 3; round += 1) {
      await volume.expire(survivor);
      await off(survivor);
    }
    await volume.expire(survivor);
    expect(joined.at(-1)).toEqual(['o', OUTPUTS]);
    const ends = recordsOf(volume).filter(({ output }) => output !== undefined);
    const instances = ends.map(({ state }) => state.replace(/\.state.*/, ''));
    expect(instances.sort()).toEqual(['o', 'o~0~pack', 'o~0~pay']);
    expectAllDone(volume);
    return used();
  }

  test('of the session that forks, ends branches and joins, at each file operation', async () => {
    const all = await crashAt({ limit: Number.POSITIVE_INFINITY, after: false });
    expect(all).toBeGreaterThan(100);
    for (let limit = 1; limit <= all; limit += 1) await crashAt({ limit, after: limit % 2 === 0 });
  }, 240_000);

  test('the sweep alone begins the branches', async () => {
    const { volume } = await begun();
    using _ = volume;
    const files = interceptFiles(quickFiles(), async (_call, method, _args, act) => {
      if (method === 'sync' && volume.list('done').length > 0) throw errno('EIO');
      return act();
    }).files;
    const victim = await volume.join('victim', files);
    const steps = await take(victim, machines);
    await victim.session.settle(steps, OPEN);
    expect(volume.list('.')).not.toContain('o~0~pay.state');
    const survivor = await volume.join('survivor');
    await volume.expire(survivor);
    expect(volume.list('.')).toEqual(
      expect.arrayContaining(['o~0~pack.state', 'o~0~pay.state', 'o.state-1']),
    );
  });

  test('a branch that a power failure has torn is repaired', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    await ant.session.settle(await take(ant, machines), OPEN);
    const path = volume.layout.state('o~0~pay.state');
    const whole = volume.read('o~0~pay.state');
    writeFileSync(path, whole.slice(0, 20));
    await off(ant);
    expect(volume.read('o~0~pay.state')).toBe(whole);
    expect(joined).toEqual([['o', OUTPUTS]]);
  });

  test('two sessions that end a branch at the same time emit one event', async () => {
    const { volume, ant } = await begun();
    using _ = volume;
    const bee = await volume.join('bee');
    await ant.session.settle(await take(ant, machines), OPEN);
    const name = 'o~0~pack.state';
    await ant.session.claim(name, OPEN);
    const [one, other] = [
      await decideStep(ant, name, machines),
      await decideStep(bee, name, machines),
    ];
    await ant.session.settle([one], OPEN);
    await bee.session.settle([other], OPEN);
    expect([one.lost, other.lost]).toEqual([false, true]);
    expect(volume.list('events').map((file) => parseEventName(file)!.to)).toEqual(['o']);
    await off(bee);
    expect(joined).toEqual([['o', OUTPUTS]]);
    expectAllDone(volume);
  });
});

test('a state that a branch, or a join, still needs is not archived', async () => {
  const { volume, ant: other } = await begun('nest');
  using _ = volume;
  // A second live session would own a share of the archive.
  await other.session.leave();
  const rules = { keep: 0, age: 0, pause: 0 };
  const files: Files = quickFiles();
  const ant = await volume.join('ant', files, ['order'], rules);
  const hasLeft = async (name: string): Promise<boolean> =>
    !volume.list('done').includes(name) && (await isDone(files, volume.layout, name));
  for (let cycle = 0; cycle < 100 && !(await hasLeft('o~0~inner~0~pack.state')); cycle += 1) {
    // Longer than the resolution of time stamps: each cycle must see the changes of the last one.
    await sleep(10);
    await ant.session.settle(await take(ant, machines), OPEN);
    await ant.session.archive(cycle, OPEN, () => false);
    volume.pass(LEASE / 4);
    ant.beat();
  }
  // The box waits: the step that began it stays, and so does the join.
  expect(volume.list('done')).toContain('o.state');
  expect(await hasLeft('o~0~inner~0~pack.state')).toBe(true);
  post(volume, 'a', { to: 'o~0~box', event: 'shut' });
  await off(ant);
  expect(joined.at(-1)).toEqual(['o', { inner: OUTPUTS, box: {} }]);
});
