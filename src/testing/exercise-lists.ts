/** Exercise of what clients list and count: instances, workers, steps. */
import type { JournalEntry } from '../engine/engine.ts';
import type { Settlement, Task } from '../engine/session.ts';
import {
  commitOf,
  errorOf,
  Exercise,
  failureOf,
  newState,
  type MakeEngine,
  type TestFramework,
} from './bench.ts';

const COUNT = { state: 'count', payload: { left: 0 } };

export function exerciseLists({ test, expect }: TestFramework, make: MakeEngine): void {
  test('lists instances in the order of their names, on pages without gaps or repetitions', async () => {
    const exercise = new Exercise(await make());
    // The second to last comes first by UTF-16 code units.
    const names = ['a', 'a-b', 'b', 'ba', 'c', 'z', '\u{e000}', '\u{10000}'];
    await exercise.engine.submit(names.toReversed().map((name) => newState(name, COUNT)));
    for (const limit of [1, 3, 8, 100]) {
      const listed = await exercise.list({}, limit);
      expect(listed.map(({ instance }) => instance)).toEqual(names);
    }
    const [first] = await exercise.list();
    expect(first).toMatchObject({
      instance: 'a',
      name: 'a.state',
      status: 'available',
      machine: 'count',
      state: 'count',
    });
    expect(Number.isFinite(Date.parse(first!.since!))).toBe(true);
    const after = await exercise.engine.list({}, { after: 'b', limit: 2 });
    expect(after.instances.map(({ instance }) => instance)).toEqual(['ba', 'c']);
    // Any name may be given, also one that does not exist; and the same page again.
    for (let time = 0; time < 2; time += 1) {
      const page = await exercise.engine.list({ prefix: 'b' }, { after: 'aa', limit: 1 });
      expect(page.instances.map(({ instance }) => instance)).toEqual(['b']);
    }
  });

  test('refuses a page without entries, and a time that is none', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('a', COUNT);
    for (const limit of [
      0,
      -1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '2' as unknown as number,
    ]) {
      for (const read of [
        () => engine.list({}, { limit }),
        () => engine.ticks(undefined, { limit }),
      ])
        expect((await errorOf(read))?.code).toBe('bad-page');
    }
    for (const since of ['yesterday', '']) {
      const error = await errorOf(() => engine.ticks(since, { limit: 1 }));
      expect(error?.code).toBe('bad-page');
    }
    const after = 7 as unknown as string;
    expect((await errorOf(() => engine.list({}, { after, limit: 1 })))?.code).toBe('bad-page');
  });

  test('lists workers in the order of their sessions', async () => {
    const exercise = new Exercise(await make());
    const names = ['a', 'b', 'a-b'];
    for (const name of names) {
      const session = await exercise.join(name, { stays: true });
      await exercise.takeWithin(session, 1, 1000);
    }
    const sessions = (await exercise.engine.workers()).map(({ session }) => session);
    expect(sessions).toEqual(sessions.toSorted());
    expect(sessions.map((session) => session.split('.')[0])).toEqual(['a-b', 'a', 'b']);
  });

  test('lists each instance once while others are submitted', async () => {
    const exercise = new Exercise(await make());
    const names = Array.from({ length: 9 }, (_, index) => `i${index}`);
    for (const name of names) await exercise.submit(name, COUNT);
    const seen: string[] = [];
    let after: string | undefined;
    for (let page = 0; page === 0 || after !== undefined; page += 1) {
      const of = { limit: 2, ...(after !== undefined && { after }) };
      const { instances, next } = await exercise.engine.list({}, of);
      seen.push(...instances.map(({ instance }) => instance));
      for (const where of ['a', 'i3', 'i7', 'z']) await exercise.submit(`${where}+${page}`, COUNT);
      after = next;
    }
    expect(seen.filter((name) => names.includes(name))).toEqual(names);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test('lists and counts instances by status, machine, state and prefix', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    for (const name of ['failed', 'held-1', 'held-2', 'open-1', 'open-2'])
      await exercise.submit(name, COUNT);
    await exercise.submit('old', { machine: 'count:1', ...COUNT });
    await exercise.submit('lamp', { state: 'on', machine: 'lamp' });
    const slots = (): number => 8;
    const session = await exercise.join('ant', { stays: true, concurrency: 8, slots });
    const tasks = await exercise.take(session, 7, 7);
    const taskOf = (instance: string): Task =>
      tasks.find(({ name }) => name === `${instance}.state`)!;
    const settle = (instance: string, outcome: Settlement['outcome']): Promise<unknown> =>
      exercise.settle(session, { hold: taskOf(instance), outcome });
    await engine.pause('exercise');
    await settle('lamp', { kind: 'wait' });
    await settle('failed', failureOf(taskOf('failed'), session.now()).outcome);
    for (const name of ['open-1', 'open-2', 'old']) await settle(name, { kind: 'release' });
    const list = async (filter: Parameters<typeof engine.list>[0]): Promise<string[]> =>
      (await exercise.list(filter, 2)).map(({ name }) => name);
    expect(await list({ status: 'failed' })).toEqual(['failed.state']);
    expect(await list({ status: 'waiting' })).toEqual(['lamp.state']);
    expect(await list({ status: 'waiting', machine: 'count' })).toEqual([]);
    expect(await list({ machine: 'count:1' })).toEqual(['old.state']);
    expect(await list({ machine: 'lamp' })).toEqual(['lamp.state']);
    expect(await list({ state: 'on' })).toEqual(['lamp.state']);
    expect(await list({ prefix: 'open-' })).toEqual(['open-1.state', 'open-2.state']);
    expect(await list({ prefix: 'open-', status: 'failed' })).toEqual([]);
    expect(await list({ status: 'archived' })).toEqual([]);
    expect((await list({ machine: 'count' })).length).toBe(6);
    const counts = await engine.counts();
    expect(counts.isSampled).toBe(false);
    expect(counts.statuses).toMatchObject({ failed: 1, waiting: 1, done: 0, archived: 0 });
    const { available, 'in progress': inProgress } = counts.statuses;
    expect(available + inProgress).toBe(5);
    expect(inProgress >= 2).toBe(true);
    const placed = counts.places.filter(({ machine }) => machine !== 'count');
    expect(placed.toSorted((a, b) => (a.status < b.status ? -1 : 1)).at(-1)).toEqual({
      machine: 'lamp',
      state: 'on',
      status: 'waiting',
      count: 1,
    });
    expect(counts.places.reduce((sum, { count }) => sum + count, 0)).toBe(7);
  });

  test('lists ended instances as done', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    expect(await exercise.list({ status: 'in progress' })).toMatchObject([{ name: 'a.state' }]);
    await exercise.settle(session, commitOf(task!, session.now(), { output: 1 }));
    expect(await exercise.list({ status: 'done' })).toMatchObject([{ name: 'a.state' }]);
    for (const status of ['available', 'in progress', 'waiting', 'failed'] as const)
      expect(await exercise.list({ status })).toEqual([]);
    expect((await exercise.engine.counts()).statuses.done).toBe(1);
  });

  test('shows the sessions that have joined, with what they hold', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const bee = await exercise.join('bee', { stays: true, concurrency: 3 });
    const ant = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(bee, 1);
    await exercise.takeWithin(ant, 1, 1000);
    const views = await exercise.until(exercise.engine.workers());
    expect(views.map(({ worker, isAlive }) => [worker, isAlive])).toEqual([
      ['ant', true],
      ['bee', true],
    ]);
    const [, view] = views;
    expect(view).toMatchObject({ session: task!.session, concurrency: 3 });
    expect(view!.machines.includes('count')).toBe(true);
    expect(view!.holds).toMatchObject([{ name: 'a.state', machine: 'count', attempt: 1 }]);
    await exercise.settle(bee, commitOf(task!, bee.now()));
    await exercise.until(bee.close(0));
    const left = await exercise.until(exercise.engine.workers());
    expect(left.map(({ worker }) => worker)).toEqual(['ant']);
  });

  test('tells of each step once, on pages that go on where the last one ended', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const seen: JournalEntry[] = [];
    let after: string | undefined;
    const readOn = async (count: number): Promise<void> => {
      for (let page = 0; seen.length < count && page < 100; page += 1) {
        const of = { limit: 2, ...(after !== undefined && { after }) };
        const { ticks, next } = await engine.ticks(undefined, of);
        expect(ticks.length <= 2).toBe(true);
        seen.push(...ticks);
        after = next;
        if (ticks.length === 0) await exercise.bench.pass(200);
      }
    };
    for (let step = 0; step < 5; step += 1) {
      const [task] = await exercise.take(session, 1);
      const commit = commitOf(task!, session.now(), step < 4 ? { next: COUNT } : {});
      const settlement = {
        ...commit,
        machine: 'count',
        tick: { started: session.now(), duration: 5, attempt: 1 },
      };
      await exercise.settle(session, settlement);
      // Repeated, as if its reply had been lost.
      await exercise.settle(session, settlement);
      if (step === 2) await readOn(3);
    }
    await readOn(5);
    const states = ['a.state', 'a.state-1', 'a.state-2', 'a.state-3', 'a.state-4'];
    expect(seen.map(({ state }) => state)).toEqual(states);
    expect(seen[0]).toMatchObject({
      duration: 5,
      machine: 'count',
      worker: 'ant',
      attempt: 1,
      result: 'done',
    });
    const page = { limit: 100 };
    const all = await engine.ticks(undefined, page);
    expect(all.ticks.map(({ state }) => state)).toEqual(states);
    expect(await engine.ticks(undefined, page)).toEqual(all);
    expect((await engine.ticks(undefined, { ...page, after: all.next })).ticks).toEqual([]);
    const { started } = seen[3]!;
    expect((await engine.ticks(started, page)).ticks.map(({ state }) => state)).toEqual(
      states.slice(3),
    );
  });
}
