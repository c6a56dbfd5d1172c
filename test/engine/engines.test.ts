/** Every engine passes the exercise of the contract, in virtual time. */
import { expect, test } from 'vitest';
import { memoryEngine } from '../../src/engine/memory.ts';
import { commitOf, Exercise, newState, type EngineBench } from '../../src/testing/bench.ts';
import { exerciseEngine } from '../../src/testing/index.ts';
import { Prng } from '../../src/sim/prng.ts';
import { DiskVolume } from '../volume/operations/disk-volume.ts';
import { VirtualTime } from '../volume/operations/virtual-time.ts';

const LEASE_MS = 1000;
const PHASES = { assignment: 40, commitment: 60, update: 120, buffer: 30 };

async function memoryBench(): Promise<EngineBench> {
  const time = new VirtualTime();
  const prng = new Prng('exercise');
  const { clock } = time;
  const random = (): number => prng.next();
  return {
    engine: memoryEngine({ clock, random, leaseMs: LEASE_MS }),
    clock,
    expiryMs: LEASE_MS,
    pass: (ms) => time.pass(ms),
    // One process: a hold expires by its deadline.
    expire: (session, holds) => {
      for (const hold of holds) session.setDeadline(hold, Number.NEGATIVE_INFINITY);
    },
  };
}

async function volumeBench(): Promise<EngineBench> {
  const time = new VirtualTime();
  const prng = new Prng('exercise');
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  return {
    engine: volume.engine(() => prng.next()),
    clock: time.clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: (_session, holds) => {
      for (const { session } of holds) volume.silence(session);
    },
  };
}

exerciseEngine('memory', memoryBench, { test, expect });
exerciseEngine('volume', volumeBench, { test, expect });

// These two also store the states of instances that have not come to them yet.
test.each([
  ['memory', memoryBench],
  ['volume', volumeBench],
])(
  '%s: retries a state that failed while it was held, without the attempts made since',
  async (_, make) => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const { bytes } = newState('b', { state: 'shaky', payload: 1 });
    await exercise.submit('a', { state: 'count', payload: { left: 1 } });
    await exercise.until(engine.submit([{ name: 'a.state-1', bytes }]));
    const ant = await exercise.join('ant', { stays: true });
    const tasks = await exercise.take(ant, 2);
    const [first, second] = tasks.toSorted((a, b) => a.name.length - b.name.length);
    const next = { state: 'count', payload: { left: 0 } };
    expect(await exercise.settle(ant, commitOf(first!, ant.now(), { next }))).toEqual(['settled']);
    expect(await engine.get('a')).toMatchObject({ flag: 'failed' });
    const now = ant.now();
    const of = { attempt: 1, session: second!.session, worker: 'ant', result: 'failed' } as const;
    const attempt = { ...of, started: now, ended: now, notBefore: now };
    await exercise.settle(ant, { hold: second!, outcome: { kind: 'retry', attempt } });
    expect(await exercise.until(engine.retry(['a.state-1']))).toEqual([true]);
    const [again] = await exercise.take(ant, 1);
    expect(again!.attempts).toEqual([]);
  },
);
