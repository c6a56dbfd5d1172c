/** Exercise of `ClientApi`: what clients submit, send and ask for; and what they list and count. */
import type { NewState, JournalEntry } from '../engine/engine.ts';
import type { Session, Settlement, Task } from '../engine/session.ts';
import {
  errorOf,
  Exercise,
  newState,
  commitOf,
  failureOf,
  type Expect,
  type MakeEngine,
  type TestFramework,
} from './bench.ts';
import { COUNT } from './machines.ts';

export function exerciseClients({ test, expect }: TestFramework, make: MakeEngine): void {
  test('stores a configuration once, to the byte, and reports differences', async () => {
    const { engine } = await make();
    const key = { name: 'door', version: '1' };
    const text = '{ "name": "door",  "states": ["shut"] }';
    expect(await engine.configurations.get(key)).toBe(undefined);
    expect(await engine.configurations.put(key, text)).toEqual({ kind: 'stored' });
    expect(await engine.configurations.put(key, text)).toMatchObject({ kind: 'there already' });
    expect(await engine.configurations.put(key, text.replace('shut', 'open'))).toMatchObject({
      kind: 'differs',
    });
    expect(await engine.configurations.get(key)).toBe(text);
    expect(await engine.configurations.list()).toEqual([key]);
    const bad = { name: '../door', version: '1' };
    const error = await errorOf(() => engine.configurations.put(bad, text));
    expect(error?.code).toBe('bad-configuration-name');
  });

  test('knows no instance by a name that none can have', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('a', COUNT);
    for (const name of ['../a', './a', 'b/../a', '', '.', '.a', 'a\0', 'a\n', 'x'.repeat(5000)]) {
      expect(await engine.get(name)).toBe(undefined);
      expect(await engine.history(name)).toEqual([]);
      const placed = await exercise.until(engine.place(name, { state: 'other' }));
      expect(placed).toEqual({ kind: 'missing' });
      expect(await engine.retry([`${name}.state`, name])).toEqual([false, false]);
    }
    expect(await exercise.chain('a')).toEqual(['count available']);
  });

  test('does not keep the bytes of a state file that was submitted', async () => {
    const { engine } = await make();
    const copies = {
      array: (from: Uint8Array) => Uint8Array.from(from),
      // A slice of a Buffer is a view of it.
      buffer: (from: Uint8Array) => Buffer.from(from),
    };
    for (const [name, copyOf] of Object.entries(copies)) {
      const state = newState(name, COUNT);
      const bytes = copyOf(state.bytes);
      expect(await engine.submit([{ ...state, bytes }])).toEqual(['submitted']);
      bytes.fill(0);
      expect(await engine.submit([state])).toEqual(['there already']);
    }
  });

  test('submits state files whole, once, and never over others', async () => {
    const { engine } = await make();
    const [one, other] = [newState('a', { state: 'count', payload: 1 }), newState('a', COUNT)];
    expect(await engine.submit([])).toEqual([]);
    expect(await engine.submit([one])).toEqual(['submitted']);
    expect(await engine.submit([one])).toEqual(['there already']);
    expect(await engine.submit([newState('b', COUNT), other, newState('c', COUNT)])).toEqual([
      'submitted',
      'name taken',
      'submitted',
    ]);
    // Repeated, as if its reply had been lost.
    expect(await engine.submit([newState('b', COUNT), other, newState('c', COUNT)])).toEqual([
      'there already',
      'name taken',
      'there already',
    ]);
    expect(await engine.get('a')).toMatchObject({ name: 'a.state', payload: 1 });
  });

  test('submits no state of a batch in which one is bad, and names it', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const good = newState('good', COUNT);
    const bad: NewState[][] = [
      [good, newState('wrong', { colour: 1 })],
      [good, newState('../wrong', COUNT)],
      [good, newState('wrong', COUNT), newState('wrong', COUNT)],
    ];
    for (const states of bad) {
      const error = await errorOf(() => engine.submit(states));
      expect(error?.code).toBe('bad-state');
      expect(error?.message.includes('wrong')).toBe(true);
    }
    expect(await exercise.list()).toEqual([]);
  });

  test('submits nothing after its signal, and rejects with its reason', async () => {
    const exercise = new Exercise(await make());
    const signal = AbortSignal.abort(new Error('enough'));
    const states = [newState('a', COUNT), newState('b', COUNT)];
    const error = await errorOf(() => exercise.engine.submit(states, signal));
    expect(error?.message).toBe('enough');
    expect(await exercise.list()).toEqual([]);
  });

  test('keeps one of many concurrent submissions of one name', async () => {
    const { engine } = await make();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, payload) =>
        engine.submit([newState('a', { state: 'count', payload }), newState(`b${payload}`, COUNT)]),
      ),
    );
    const ofA = results.map(([result]) => result);
    expect(ofA.filter((result) => result === 'submitted').length).toBe(1);
    expect(ofA.filter((result) => result === 'name taken').length).toBe(7);
    expect(results.every(([, result]) => result === 'submitted')).toBe(true);
  });

  test('returns no step, history or result for what does not exist', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    expect(await engine.get('nothing')).toBe(undefined);
    expect(await engine.history('nothing')).toEqual([]);
    expect(await engine.eventResult('nothing')).toBe(undefined);
    expect(await engine.list({}, { limit: 1 })).toEqual({ instances: [] });
    expect(await engine.workers()).toEqual([]);
    expect((await engine.ticks(undefined, { limit: 1 })).ticks).toEqual([]);
    expect((await engine.counts()).places).toEqual([]);
    expect(await engine.retry(['nothing.state', 'nothing.state-1'])).toEqual([false, false]);
    expect(await engine.retry([])).toEqual([]);
    expect(await engine.resume()).toBe(false);
  });

  test('applies the events of one call in the order given, each once', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    for (const name of ['lamp', 'other']) await exercise.submit(name, { state: 'lamp' });
    const session = await exercise.join('ant', { stays: true });
    for (const task of await exercise.take(session, 2, 0)) {
      await exercise.settle(session, { hold: task, outcome: { kind: 'wait' } });
    }
    // Ids in another order than the events.
    const ids = ['z', 'm', 'a', 'y', 'b', 'x'];
    const events = ids.map((id, index) => ({
      to: index === 2 ? 'other' : 'lamp',
      id,
      file: { event: 'press' },
    }));
    const sent = await exercise.until(engine.send(events));
    expect(sent.map(({ kind }) => kind)).toEqual(ids.map(() => 'sent'));
    // Repeated, as if its reply had been lost: the first of each id counts.
    await exercise.until(engine.send(events));
    await exercise.send('lamp', 'a-last');
    const tasks = await exercise.take(session, 2, 0);
    const handedOut = (instance: string): string[] => {
      const task = tasks.find(({ name }) => name === `${instance}.state`);
      return [...new Set(task!.events.map(({ id }) => id))];
    };
    expect(handedOut('lamp')).toEqual(['z', 'm', 'y', 'b', 'x', 'a-last']);
    expect(handedOut('other')).toEqual(['a']);
  });

  test('applies events that were sent before their instance was submitted first', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const ids = ['z', 'm', 'a', 'y'];
    const file = { event: 'press', grace: 60_000 };
    await exercise.until(engine.send(ids.map((id) => ({ to: 'lamp', id, file }))));
    await exercise.submit('lamp', { state: 'lamp' });
    await exercise.send('lamp', 'b-last');
    const session = await exercise.join('ant', { stays: true });
    let [task] = await exercise.take(session, 1, 0);
    if (task!.events.length === 0) {
      await exercise.settle(session, { hold: task!, outcome: { kind: 'wait' } });
      [task] = await exercise.take(session, 1, 0);
    }
    expect(task!.events.map(({ id }) => id)).toEqual([...ids, 'b-last']);
  });

  test('sends no event of a batch in which one is bad', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const good = { to: 'nowhere', id: 'good', file: { event: 'press', grace: 0 } };
    const bad = { ...good, to: 'a/b' };
    expect((await errorOf(() => engine.send([good, bad])))?.code).toBe('bad-event');
    const session = await exercise.join('ant', { stays: true });
    await exercise.takeWithin(session, 1, 2000);
    expect(await engine.eventResult('good')).toBe(undefined);
  });

  test('rejects an event without an instance when its grace is over, and sends it once', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    expect((await exercise.send('nowhere', 'x', { grace: 500 })).kind).toBe('sent');
    expect(await engine.eventResult('x')).toBe(undefined);
    const session = await exercise.join('ant', { stays: true });
    await expectResult(exercise, session, expect, 'x', 'FsmNotFound');
    expect((await exercise.send('nowhere', 'x')).kind).toBe('over');
  });

  test('rejects an event whose instance has ended, before it was sent or after', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    await exercise.send('a', 'before');
    await exercise.settle(session, commitOf(task!, session.now()));
    await exercise.send('a', 'after');
    await expectResult(exercise, session, expect, 'before', 'EventNotAllowed');
    await expectResult(exercise, session, expect, 'after', 'EventNotAllowed');
  });

  test('hands out nothing while it is paused', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', { state: 'count', payload: { left: 0 } });
    await exercise.engine.pause('exercise');
    const session = await exercise.join('ant');
    expect(await exercise.takeWithin(session, 1, 3000)).toEqual([]);
    expect(await exercise.engine.resume()).toBe(true);
    expect((await exercise.take(session, 1)).length).toBe(1);
  });
}

async function expectResult(
  exercise: Exercise,
  session: Session,
  expect: Expect,
  id: string,
  outcome: string,
): Promise<void> {
  for (let look = 0; look < 100; look += 1) {
    const result = await exercise.engine.eventResult(id);
    if (result !== undefined) return expect(result.outcome.outcome).toBe(outcome);
    // Idle sessions reject events that no state waits for.
    await exercise.takeWithin(session, 1, 200);
  }
  throw new Error(`expected a result of event ${id}, got none`);
}

/** Instances, workers, steps. */
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
    // A page may not be empty while there are more.
    expect((await engine.ticks(started, { limit: 1 })).ticks.length).toBe(1);
  });
}
