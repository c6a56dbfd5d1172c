/** A session on a volume that has met a bug: it ends at once, changes nothing more, and another session recovers it. */
import { describe, expect, test } from 'vitest';
import type { Session, Task } from '../../src/engine/session.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { Prng } from '../../src/sim/prng.ts';
import { commitOf, Exercise, failureOf } from '../../src/testing/bench.ts';
import { momentAt } from '../../src/volume/phases/cycle.ts';
import { DiskVolume } from './operations/disk-volume.ts';
import { VirtualTime } from './operations/virtual-time.ts';

const PHASES = { assignment: 40, commitment: 60, update: 120, buffer: 30 };
const CYCLE_MS = 310;
const LEASE_MS = 1000;
const COUNT = { state: 'count', payload: { left: 0 } };
const NAMES = ['a', 'b', 'c'];
const BUG = new InvariantError('I6: expected one hold of a state');

interface Given {
  readonly volume: DiskVolume;
  readonly exercise: Exercise;
  readonly session: Session;
  /** Of the instances `a`, `b` and `c`. */
  readonly tasks: Task[];
}

async function given(): Promise<Given> {
  const time = new VirtualTime();
  const prng = new Prng('crash');
  const volume = await DiskVolume.create(time, PHASES, LEASE_MS);
  const exercise = new Exercise({
    engine: volume.engine(() => prng.next()),
    clock: time.clock,
    expiryMs: 3 * LEASE_MS,
    pass: (ms) => time.pass(ms),
    expire: () => undefined,
  });
  for (const name of NAMES) await exercise.submit(name, COUNT);
  const session = await exercise.join('ant', { concurrency: 3 });
  const tasks = await exercise.take(session, NAMES.length);
  tasks.sort((one, other) => (one.name < other.name ? -1 : 1));
  return { volume, exercise, session, tasks };
}

const CHANGING = [
  'append',
  'create',
  'link',
  'makeDirectory',
  'overwrite',
  'removeDirectory',
  'rename',
  'unlink',
] as const;

type Method = 'append' | 'create' | 'link' | 'list' | 'read' | 'rename';

/** The next call of `method` for an entry of `directory` throws `error`, once; the number of such calls since then. */
function breakCall(
  { volume: { files } }: Given,
  method: Method,
  directory: string,
  error: Error,
): () => number {
  const call = files[method].bind(files) as (...args: string[]) => Promise<unknown>;
  let since: number | undefined;
  const broken = async (...args: string[]): Promise<unknown> => {
    const path = method === 'link' ? args[1]! : args[0]!;
    if (since === undefined && `${path}/`.includes(`/${directory}/`)) {
      since = 0;
      throw error;
    }
    if (since !== undefined) since += 1;
    return call(...args);
  };
  Object.assign(files, { [method]: broken });
  return () => since ?? Number.NaN;
}

const breakLink = (at: Given, directory: string, error: Error): (() => number) =>
  breakCall(at, 'link', directory, error);

const chains = ({ exercise }: Given): Promise<string[][]> =>
  Promise.all(NAMES.map((name) => exercise.chain(name)));

/** Settles with whatever the promise comes to. */
const outcomeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => error);

/** What `take` rejects with in the end. */
async function endOf(session: Session): Promise<unknown> {
  for (;;) {
    try {
      await session.take(1, new AbortController().signal);
    } catch (error) {
      return error;
    }
  }
}

async function expectRecovered(at: Given): Promise<void> {
  const { exercise } = at;
  const bee = await exercise.join('bee', { concurrency: 3 });
  const left = (await chains(at)).flat().filter((one) => one !== 'count done').length;
  const tasks = await exercise.take(bee, left);
  await exercise.settle(bee, ...tasks.map((task) => commitOf(task, bee.now())));
  expect(await chains(at)).toEqual(NAMES.map(() => ['count done']));
  await exercise.until(bee.close(0));
}

describe('a bug in the loop of a session', () => {
  test.each([BUG, new TypeError('x'), new ReferenceError('x'), new RangeError('x')])(
    'ends it at once when the error is %o',
    async (error) => {
      const at = await given();
      const { exercise, session, tasks } = at;
      const linksSince = breakLink(at, 'done', error);
      const taking = outcomeOf(session.take(1, new AbortController().signal));
      const settling = session.settle(
        tasks.slice(0, 2).map((task) => commitOf(task, session.now())),
      );
      expect(await exercise.until(settling)).toEqual(['unsure', 'unsure']);
      expect(await taking).toMatchObject({ code: 'invariant' });
      expect(tasks[2]!.signal.aborted).toBe(true);
      await exercise.bench.pass(2 * CYCLE_MS);
      expect(linksSince()).toBe(0);
      expect(await chains(at)).toEqual(NAMES.map(() => ['count in progress']));
      await expectRecovered(at);
    },
  );

  test.each<[what: string, method: Method, directory: string]>([
    ['a claim', 'link', 'in_progress'],
    ['the record of a failure', 'link', 'failed'],
    ['the journal', 'append', 'journal'],
    ['what it holds', 'rename', 'staging'],
    ['the sessions that may know a machine', 'list', 'sessions'],
  ])('ends it when it is met at %s', async (_, method, directory) => {
    const at = await given();
    const { exercise, session, tasks } = at;
    const refusal = { code: 'unknown-machine', machine: 'm', reason: 'r' };
    const outcome = { kind: 'refuse', ...refusal } as const;
    await exercise.settle(session, failureOf(tasks[0]!, session.now()));
    breakCall(at, method, directory, BUG);
    await exercise.submit('d', COUNT);
    const tick = { started: session.now(), duration: 1, attempt: 1 };
    const settling = session.settle([
      // With a tick: it is journaled.
      { ...failureOf(tasks[1]!, session.now()), machine: 'count', tick },
      { hold: tasks[2]!, outcome },
    ]);
    settling.catch(() => undefined);
    expect(await exercise.until(endOf(session))).toBe(BUG);
  });

  test('ends it when the worker meets a failed assertion while a file is classified', async () => {
    const { exercise, session } = await given();
    await exercise
      .until(
        session.close(0).catch(() => undefined),
        1,
      )
      .catch(() => undefined);
    const bee = await exercise.join('bee', {
      needsSlot: () => {
        throw BUG;
      },
    });
    await exercise.submit('d', COUNT);
    const taking = outcomeOf(bee.take(1, new AbortController().signal));
    expect(await exercise.until(taking)).toBe(BUG);
  });

  test('is none when a file cannot be classified: it is read again, and others go on', async () => {
    const { exercise } = await given();
    let throws = true;
    const bee = await exercise.join('bee', {
      needsSlot: () => {
        if (!throws) return true;
        throws = false;
        throw new TypeError('of a machine');
      },
    });
    await exercise.submit('d', COUNT);
    const [task] = await exercise.take(bee, 1);
    expect(task!.name).toBe('d.state');
  });

  test('makes each later call reject, and close too', async () => {
    const at = await given();
    const { exercise, session, tasks } = at;
    breakLink(at, 'done', BUG);
    await exercise.settle(session, commitOf(tasks[0]!, session.now()));
    const calls = [
      session.take(1, new AbortController().signal),
      session.settle([commitOf(tasks[1]!, session.now())]),
      session.close(0),
    ];
    for (const call of calls) expect(await exercise.until(outcomeOf(call))).toBe(BUG);
  });

  test('ends its loop: it asks for the time no more', async () => {
    const at = await given();
    const { exercise, session } = at;
    const { clock } = exercise.bench;
    const monotonic = clock.monotonic.bind(clock);
    let looks = 0;
    const counted = (): number => {
      looks += 1;
      return monotonic();
    };
    Object.assign(clock, { monotonic: counted });
    session.abort(BUG);
    await exercise.bench.pass(10 * CYCLE_MS);
    expect(looks).toBeLessThan(10);
  });

  test('keeps the lease and the claims: the lease expires', async () => {
    const at = await given();
    const { exercise, session, tasks, volume } = at;
    breakLink(at, 'done', BUG);
    await exercise.settle(session, commitOf(tasks[0]!, session.now()));
    await exercise.bench.pass(2 * CYCLE_MS);
    expect(await volume.files.list(volume.layout.internal('leases'))).toEqual([tasks[0]!.session]);
    expect(await volume.files.list(volume.layout.flags('in_progress'))).toHaveLength(NAMES.length);
  });

  test('is none when the error has a code, or is of unknown origin: it tries again', async () => {
    for (const error of [Object.assign(new Error('EIO'), { code: 'EIO' }), new Error('perhaps')]) {
      const at = await given();
      const { exercise, session, tasks } = at;
      breakLink(at, 'done', error);
      const commits = tasks.map((task) => commitOf(task, session.now()));
      expect(await exercise.settle(session, ...commits)).toEqual(commits.map(() => 'settled'));
      await exercise.until(session.close(0));
    }
  });
});

/** Changes of the volume from now on, the heartbeat's apart. */
function changesOf({ volume: { files } }: Given): string[] {
  const changes: string[] = [];
  for (const method of CHANGING) {
    const call: (...args: [string, string]) => Promise<void> = files[method].bind(files);
    const noted = (...args: [string, string]): Promise<void> => {
      changes.push(`${method} ${args.at(method === 'link' ? 1 : 0)!}`);
      return call(...args);
    };
    Object.assign(files, { [method]: noted });
  }
  return changes;
}

describe('after a bug nothing on the volume is changed any more', () => {
  test('when it is met in the middle of Update System', async () => {
    const at = await given();
    const { exercise, session, tasks, volume } = at;
    const { files } = volume;
    const link = files.link.bind(files);
    let changes: string[] | undefined;
    files.link = async (existing, name) => {
      await link(existing, name);
      if (changes !== undefined || !name.includes('/done/')) return;
      session.abort(BUG);
      changes = changesOf(at);
    };
    const settling = session.settle(tasks.map((task) => commitOf(task, session.now())));
    expect(await exercise.until(settling)).toEqual(NAMES.map(() => 'unsure'));
    await exercise.bench.pass(2 * CYCLE_MS);
    expect(changes).toEqual([]);
  });

  /** Until the end of the next Update System; `act`: called when it has begun. */
  async function passUpdate({ bench }: Exercise, act?: () => Promise<void>): Promise<void> {
    const phase = (): string | undefined => momentAt(PHASES, bench.clock.now()).phase;
    while (phase() !== 'update') await bench.pass(1);
    await bench.pass(1);
    await act?.();
    while (phase() === 'update') await bench.pass(1);
  }

  /** Ends the session as soon as the next such call has returned; the changes since then. */
  function abortAfter(at: Given, session: Session, method: Method, where: string): () => string[] {
    const { files } = at.volume;
    const call = files[method].bind(files) as (...args: string[]) => Promise<unknown>;
    let changes: string[] | undefined;
    const watched = async (...args: string[]): Promise<unknown> => {
      const result = await call(...args);
      if (changes === undefined && args[0]!.endsWith(where)) {
        session.abort(BUG);
        changes = changesOf(at);
      }
      return result;
    };
    Object.assign(files, { [method]: watched });
    return () => changes ?? ['none: the call was not made'];
  }

  test('when it is met before other machines are announced', async () => {
    const at = await given();
    const { exercise, session } = at;
    let machines = { machines: ['first'] };
    await exercise.until(session.close(0));
    const bee = await exercise.join('bee', { stays: true, machines: () => machines });
    await passUpdate(exercise);
    machines = { machines: ['second'] };
    const changes = abortAfter(at, bee, 'list', '/attempts');
    await exercise.bench.pass(3 * CYCLE_MS);
    expect(changes()).toEqual([]);
  });

  test('when it is met as the lease is found broken', async () => {
    const at = await given();
    const { exercise, session, tasks, volume } = at;
    await passUpdate(exercise, () =>
      volume.files.unlink(`${volume.layout.internal('leases')}/${tasks[0]!.session}`),
    );
    const changes = abortAfter(at, session, 'read', '/volume.json');
    await exercise.bench.pass(3 * CYCLE_MS);
    expect(changes()).toEqual([]);
  });
});

describe('a bug in a call of the worker', () => {
  test('ends the session when a record is of another state', async () => {
    const at = await given();
    const { exercise, session, tasks } = at;
    const [first, second] = tasks.map((task) => commitOf(task, session.now(), { output: 1 }));
    const taking = outcomeOf(session.take(1, new AbortController().signal));
    await exercise.until(session.settle([{ ...first!, outcome: second!.outcome }]));
    expect(await taking).toMatchObject({
      code: 'invariant',
      message: expect.stringContaining('I2: expected the record of the state that is claimed'),
    });
    expect(await chains(at)).toEqual(NAMES.map(() => ['count in progress']));
    await expectRecovered(at);
  });

  test('ends it while outcomes are waiting for Update System: none is committed', async () => {
    const at = await given();
    const { exercise, session, tasks } = at;
    const settling = session.settle(tasks.map((task) => commitOf(task, session.now())));
    session.abort(BUG);
    session.abort(new InvariantError('another one'));
    expect(await settling).toEqual(NAMES.map(() => 'unsure'));
    expect(await outcomeOf(session.take(1, new AbortController().signal))).toBe(BUG);
    await exercise.bench.pass(2 * CYCLE_MS);
    expect(await chains(at)).toEqual(NAMES.map(() => ['count in progress']));
    await expectRecovered(at);
  });

  test('ends it at once, though a call of the volume does not return', async () => {
    const at = await given();
    const { exercise, session, tasks, volume } = at;
    const begun = Promise.withResolvers<undefined>();
    volume.files.link = () => {
      begun.resolve(undefined);
      return new Promise(() => undefined);
    };
    const taking = outcomeOf(session.take(1, new AbortController().signal));
    const settling = session.settle([commitOf(tasks[0]!, session.now())]);
    await exercise.until(begun.promise);
    session.abort(BUG);
    expect(await taking).toBe(BUG);
    expect(await settling).toEqual(['unsure']);
    expect(tasks[1]!.signal.aborted).toBe(true);
    expect(await outcomeOf(session.take(1, new AbortController().signal))).toBe(BUG);
  });

  test('ends it when it is a call of take', async () => {
    const { session, tasks } = await given();
    const signal = { ...new AbortController().signal };
    Object.defineProperty(signal, 'aborted', {
      get: () => {
        throw BUG;
      },
    });
    expect(await outcomeOf(session.take(1, signal))).toBe(BUG);
    expect(tasks.map((task) => task.signal.aborted)).toEqual([true, true, true]);
  });

  test('ends it in the middle of a commit: no step is linked after it', async () => {
    const at = await given();
    const { exercise, session, tasks, volume } = at;
    const { files } = volume;
    const link = files.link.bind(files);
    files.link = async (existing, name) => {
      await link(existing, name);
      if (name.includes('/done/')) session.abort(BUG);
    };
    const settling = session.settle(tasks.map((task) => commitOf(task, session.now())));
    expect(await exercise.until(settling)).toEqual(NAMES.map(() => 'unsure'));
    await exercise.bench.pass(2 * CYCLE_MS);
    expect(await files.list(volume.layout.flags('done'))).toHaveLength(1);
    await expectRecovered(at);
  });
});
