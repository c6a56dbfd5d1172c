/** Exercise of `place`: an operator's step, alone and against sessions that take the same instances. */
import type { NewPlace, PlaceResult } from '../engine/engine.ts';
import type { Session, Task } from '../engine/session.ts';
import {
  commitOf,
  errorOf,
  Exercise,
  failureOf,
  type MakeEngine,
  type TestFramework,
} from './bench.ts';

const COUNT = { state: 'count', payload: { left: 1 } };

export function exercisePlace({ test, expect }: TestFramework, make: MakeEngine): void {
  const place = (exercise: Exercise, instance: string, to: NewPlace): Promise<PlaceResult> =>
    exercise.until(exercise.engine.place(instance, to));
  const kindOf = async (placing: Promise<PlaceResult>): Promise<string> => (await placing).kind;

  test('places an instance in another state, as a step of its history', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('a', { ...COUNT, priority: 3, 'x-mine': 'kept' });
    const first = await place(exercise, 'a', { state: 'other' });
    expect(first).toEqual({ kind: 'placed', name: 'a.state-1' });
    expect(await engine.workers()).toEqual([]);
    // Repeated, as if its reply had been lost.
    expect(await place(exercise, 'a', { state: 'other' })).toEqual({
      ...first,
      kind: 'there already',
    });
    expect(await place(exercise, 'a', { state: 'other', payload: 7 })).toMatchObject({
      kind: 'placed',
      name: 'a.state-2',
    });
    expect(await exercise.chain('a')).toEqual(['count done', 'other done', 'other available']);
    const steps = await engine.history('a');
    expect(/^operator-[0-9a-z]{8}$/.test(steps[0]!.worker!)).toBe(true);
    expect(steps.map(({ payload }) => payload)).toEqual([{ left: 1 }, { left: 1 }, 7]);
    expect(await exercise.list({ machine: 'count' })).toMatchObject([{ state: 'other' }]);
    const { ticks } = await engine.ticks(undefined, { limit: 10 });
    expect(ticks.map(({ state, machine, attempt }) => [state, machine, attempt])).toEqual([
      ['a.state', 'count', 0],
      ['a.state-1', 'count', 0],
    ]);
    await place(exercise, 'a', { state: 'count' });
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    expect(task).toMatchObject({ name: 'a.state-3', attempts: [] });
    expect(task!.file).toMatchObject({ state: 'count', priority: 3, 'x-mine': 'kept', payload: 7 });
    await exercise.settle(session, commitOf(task!, session.now()));
    expect(await kindOf(place(exercise, 'a', { state: 'other' }))).toBe('ended');
    expect(await kindOf(place(exercise, 'nothing', { state: 'other' }))).toBe('missing');
  });

  test('refuses to place an instance where it would have no state file, and changes nothing', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', { ...COUNT, 'x-mine': 'x'.repeat(600_000) });
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    await exercise.settle(session, failureOf(task!, session.now()));
    const bad: readonly object[] = [
      {},
      { state: '' },
      { state: 7 },
      { state: 'other', payload: Number.NaN },
      { state: 'other', payload: { n: 1n } },
      { state: 'other', payload: new Map() },
      { state: 'other', payload: 'x'.repeat(1_100_000) },
      // Together with the user's own keys.
      { state: 'other', payload: 'x'.repeat(600_000) },
    ];
    for (const to of bad) {
      const error = await errorOf(() => place(exercise, 'a', to as NewPlace));
      expect(error?.code).toBe('bad-state');
    }
    expect(await exercise.chain('a')).toEqual(['count failed']);
    const ofNone = await errorOf(() => place(exercise, 'nothing', { state: '' }));
    expect(ofNone?.code).toBe('bad-state');
    expect(await kindOf(place(exercise, 'a', { state: 'other' }))).toBe('placed');
    expect(await exercise.chain('a')).toEqual(['count done', 'other available']);
  });

  test('finds an instance there already whose payload has keys that JSON omits', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const to = { state: 'other', payload: { left: 1, right: undefined } };
    for (const kind of ['placed', 'there already'])
      expect(await kindOf(place(exercise, 'a', to as unknown as NewPlace))).toBe(kind);
  });

  test('places waiting, failed and delayed instances, and none that is held', async () => {
    const exercise = new Exercise(await make());
    const later = new Date(exercise.bench.clock.now() + 3_600_000).toISOString();
    await exercise.submit('failed', COUNT);
    await exercise.submit('held', COUNT);
    await exercise.submit('lamp', { state: 'lamp' });
    const session = await exercise.join('ant', { stays: true });
    const tasks = await exercise.take(session, 3, 3);
    const taskOf = (name: string): Task => tasks.find((one) => one.name === `${name}.state`)!;
    const now = session.now();
    await exercise.settle(session, failureOf(taskOf('failed'), now));
    await exercise.settle(session, { hold: taskOf('lamp'), outcome: { kind: 'wait' } });
    await exercise.submit('later', { ...COUNT, notBefore: later });
    expect(await kindOf(place(exercise, 'held', { state: 'other' }))).toBe('held');
    for (const name of ['failed', 'lamp', 'later'])
      expect(await kindOf(place(exercise, name, { state: 'other' }))).toBe('placed');
    expect(await exercise.failed()).toEqual([]);
    expect(await exercise.list({ status: 'waiting' })).toEqual([]);
    const commit = commitOf(taskOf('held'), session.now());
    expect(await exercise.settle(session, commit)).toEqual(['settled']);
    const [step] = await exercise.engine.history('failed');
    expect(step).toMatchObject({ flag: 'done', reason: undefined });
  });

  test('makes one step of each instance that sessions and operators want at the same time', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const names = Array.from({ length: 6 }, (_, index) => `i${index}`);
    const sessions: Session[] = [];
    for (const name of ['ant', 'bee']) sessions.push(await exercise.join(name, { stays: true }));
    for (const name of names) await exercise.submit(name, COUNT);
    const placing = Promise.all(
      names.flatMap((name) => ['left', 'right'].map((state) => engine.place(name, { state }))),
    );
    const abort = new AbortController();
    const taking = sessions.map((session) => session.take(2, abort.signal));
    const placed = await exercise.until(placing);
    abort.abort();
    const taken: string[] = [];
    for (const [index, session] of sessions.entries()) {
      const tasks = await exercise.until(taking[index]!);
      for (const task of tasks === 'drained' ? [] : tasks) {
        const [settled] = await exercise.settle(session, commitOf(task, session.now()));
        if (settled === 'settled') taken.push(task.name);
      }
    }
    for (const [index, name] of names.entries()) {
      const results = placed.slice(2 * index, 2 * index + 2);
      const steps = await engine.history(name);
      const states = results.flatMap((one) => (one.kind === 'placed' ? [one.name] : []));
      // Each operator who is told `placed` has made a step of its own.
      expect(new Set(states).size).toBe(states.length);
      const made = taken.filter((one) => one.startsWith(`${name}.`));
      const done = steps.filter(({ flag }) => flag === 'done').map((step) => step.name);
      expect(done.length).toBe(states.length + made.length);
      expect(steps.length - done.length <= 1).toBe(true);
    }
  });
}
