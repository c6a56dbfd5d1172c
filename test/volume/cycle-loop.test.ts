/** The loop of a session that no other test of the volume reaches: on a disk in virtual time. */
import { describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import type { KnownMachines } from '../../src/engine/session.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { Prng } from '../../src/sim/prng.ts';
import { commitOf, Exercise } from '../../src/testing/bench.ts';
import type { Watch } from '../../src/volume/cycle-loop.ts';
import { cycleLength, momentAt } from '../../src/volume/phases/cycle.ts';
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

async function given(eager: boolean, asked?: Watch, leaseMs = LEASE_MS): Promise<Given> {
  const time = new VirtualTime();
  const prng = new Prng('loop');
  const volume = await DiskVolume.create(time, PHASES, leaseMs);
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
    expiryMs: 3 * leaseMs,
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

const CYCLE_MS = cycleLength(PHASES);
const LONG_LEASE_MS = 40 * CYCLE_MS;

/** On a paused volume with one state. `looks`: how often the marker of the pause was looked for. */
async function paused(): Promise<Given & { looks: () => number }> {
  const made = await given(false, undefined, LONG_LEASE_MS);
  const { volume, exercise } = made;
  const stat = volume.files.stat.bind(volume.files);
  let looks = 0;
  volume.files.stat = async (path) => {
    if (path === volume.layout.paused) looks += 1;
    return stat(path);
  };
  await exercise.submit('a', COUNT);
  return { ...made, looks: () => looks };
}

describe('while the volume is paused', () => {
  test('a session that holds nothing looks twice a lease, and goes on when the pause ends', async () => {
    const { exercise, hint, looks } = await paused();
    await exercise.engine.pause('user');
    const session = await exercise.join('ant', { stays: true });
    await exercise.bench.pass(LONG_LEASE_MS);
    const before = looks();
    await exercise.bench.pass(LONG_LEASE_MS);
    expect(looks() - before).toBe(2);
    await exercise.engine.resume();
    hint('.flockwork/paused');
    const taking = session.take(1, new AbortController().signal);
    await exercise.until(taking, 2 * CYCLE_MS);
    expect(await taking).toHaveLength(1);
  });

  test.each([2, 5, 8])('a session settles what it holds at once (%d)', async (cycles) => {
    const { exercise } = await paused();
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    await exercise.engine.pause('user');
    await exercise.bench.pass(cycles * CYCLE_MS);
    const settling = session.settle([commitOf(task!, session.now())]);
    await exercise.until(settling, 2 * CYCLE_MS);
    expect(await settling).toEqual(['settled']);
  });

  test.each([0, 5, 10, 15])(
    'the claim of a session that dies is recovered in time (%d)',
    async (cycles) => {
      const { volume, exercise } = await paused();
      const bee = await exercise.join('bee', { stays: true });
      await exercise.take(bee, 1);
      await exercise.engine.pause('user');
      await exercise.join('ant', { stays: true });
      await exercise.bench.pass(LONG_LEASE_MS + cycles * CYCLE_MS);
      expect(await volume.files.list(volume.layout.flags('in_progress'))).toEqual(['a.state']);
      const sessions = await readSessions(volume.files, volume.layout);
      volume.silence(sessions.find(({ worker }) => worker === 'bee')!.session);
      bee.abort(new InvariantError('I6: x'));
      // Leases are read eight times per lease.
      await exercise.bench.pass(1.25 * LONG_LEASE_MS + 2 * CYCLE_MS);
      expect(await volume.files.list(volume.layout.flags('in_progress'))).toEqual([]);
    },
  );
});
