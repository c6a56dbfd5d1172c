/** The loop of a session that no other test of the volume reaches: on a disk in virtual time. */
import { expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import type { KnownMachines } from '../../src/engine/session.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { Prng } from '../../src/sim/prng.ts';
import { commitOf, Exercise } from '../../src/testing/bench.ts';
import type { Watch } from '../../src/volume/cycle-loop.ts';
import { momentAt } from '../../src/volume/phases/cycle.ts';
import { readSessions } from '../../src/volume/overview.ts';
import { DiskVolume } from './operations/disk-volume.ts';
import { VirtualTime } from './operations/virtual-time.ts';

const PHASES = { assignment: 40, commitment: 60, update: 120, buffer: 30 };
const LEASE_MS = 1000;
const COUNT = { state: 'count', payload: { left: 0 } };

interface Given {
  readonly time: VirtualTime;
  readonly volume: DiskVolume;
  readonly exercise: Exercise;
  readonly hint: (name: string) => void;
}

async function given(eager: boolean, asked?: Watch): Promise<Given> {
  const time = new VirtualTime();
  const prng = new Prng('loop');
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  let onHint: (name?: string) => void = () => undefined;
  const engine: Engine = volume.engine(() => prng.next(), {
    eager,
    watch:
      asked ??
      (async (hint) => {
        onHint = hint;
        return async () => undefined;
      }),
  });
  const exercise = new Exercise({
    engine,
    clock: time.clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: () => undefined,
  });
  return { time, volume, exercise, hint: (name) => onHint(name) };
}

test('an eager session that ends lets time pass when files arrive that it does not take', async () => {
  const { time, exercise, hint } = await given(true);
  await exercise.submit('a', COUNT);
  const session = await exercise.join('ant');
  const [task] = await exercise.take(session, 1);
  while (momentAt(PHASES, time.now).phase !== 'update') await time.pass(1);
  const closing = session.close(60_000);
  for (let file = 0; file < 20; file += 1) {
    await exercise.submit(`new${file}`, COUNT);
    while (momentAt(PHASES, time.now).phase !== 'update') await time.pass(1);
    hint(`new${file}.state`);
  }
  await time.pass(5000);
  expect(await exercise.settle(session, commitOf(task!, session.now()))).toEqual(['settled']);
  await exercise.until(closing);
  expect(await exercise.chain('new0')).toEqual(['count available']);
});

test('machines that a worker has come to have are announced again until that succeeds', async () => {
  const { volume, exercise } = await given(false);
  let known: KnownMachines = { machines: ['first'] };
  await exercise.join('ant', { stays: true, machines: () => known });
  await exercise.bench.pass(1000);
  known = { machines: ['second'] };
  volume.files.refuseNew('sessions', 3);
  await exercise.bench.pass(5000);
  const [token] = await readSessions(volume.files, volume.layout);
  expect(token!.machines).toEqual(['second']);
  expect(volume.files.refusals).toBe(0);
});

test('a session that ends brings no failed state back', async () => {
  const { time, volume, exercise } = await given(false);
  await exercise.submit('a', { state: 'no-such-machine' });
  const session = await exercise.join('ant', { stays: true });
  const [task] = await exercise.take(session, 1, 0);
  const refusal = { code: 'unknown-machine', machine: 'no-such-machine', reason: 'r' };
  expect(
    await exercise.settle(session, { hold: task!, outcome: { kind: 'refuse', ...refusal } }),
  ).toEqual(['failed']);
  while (momentAt(PHASES, time.now).phase !== 'assignment') await time.pass(1);
  while (momentAt(PHASES, time.now).phase !== 'update') await time.pass(1);
  await time.pass(10);
  await volume.files.overwrite('/volume/a.state', JSON.stringify(COUNT));
  await exercise.until(session.close(0));
  expect(await exercise.chain('a')).toEqual(['count failed']);
});

const refused = async (): Promise<never> => {
  throw new Error('EMFILE');
};

test.each<[string, Watch]>([
  ['cannot watch', refused],
  ['cannot stop to watch', async () => refused],
])('a session that %s works as without file events, and leaves', async (_, watch) => {
  const { volume, exercise } = await given(false, watch);
  const session = await exercise.join('ant', { stays: true });
  await exercise.bench.pass(1000);
  await exercise.submit('a', COUNT);
  if (watch === refused) {
    const [task] = await exercise.take(session, 1);
    expect(await exercise.settle(session, commitOf(task!, session.now()))).toEqual(['settled']);
  }
  await exercise.until(session.close(0));
  expect(await readSessions(volume.files, volume.layout)).toEqual([]);
  expect(await volume.files.list(volume.layout.internal('leases'))).toEqual([]);
});

test('a session that has met a bug stops its heartbeat, though it cannot stop to watch', async () => {
  const { volume, exercise } = await given(false, async () => refused);
  const session = await exercise.join('ant', { stays: true });
  await exercise.bench.pass(1000);
  session.abort(new InvariantError('I6: x'));
  await exercise.bench.pass(1);
  const lease = async (): Promise<unknown> => {
    const [name] = await volume.files.list(volume.layout.internal('leases'));
    return volume.files.read(`${volume.layout.internal('leases')}/${name!}`);
  };
  const before = await lease();
  await exercise.bench.pass(2 * LEASE_MS);
  expect(await lease()).toEqual(before);
});
