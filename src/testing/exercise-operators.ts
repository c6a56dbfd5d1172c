/** Exercise of what operators do: reset, watch, inspect, close, and place instances in other states. */
import type { Task, Session } from '../engine/session.ts';
import { emittedEvent } from '../machine/event.ts';
import type { CommitRecord } from '../machine/record.ts';
import {
  commitOf,
  errorOf,
  Exercise,
  failureOf,
  type MakeEngine,
  type TestFramework,
} from './bench.ts';
import { COUNT } from './machines.ts';
import type { NewPlace, PlaceResult } from '../engine/engine.ts';

/** Runs an instance of two steps to its end, in a session of its own. */
async function runTwoSteps(exercise: Exercise, instance: string): Promise<void> {
  await exercise.submit(instance, COUNT);
  const session = await exercise.join('runner');
  for (const more of [{ next: COUNT }, { output: 1 }]) {
    const [task] = await exercise.take(session, 1);
    await exercise.settle(session, commitOf(task!, session.now(), more));
  }
  await exercise.until(session.close(0));
}

export function exerciseOperators({ test, expect }: TestFramework, make: MakeEngine): void {
  test('resets a done state with all that followed from it, so that it runs again', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await runTwoSteps(exercise, 'a');
    await runTwoSteps(exercise, 'b');
    const result = await exercise.until(engine.reset({ states: ['a.state'] }));
    expect({ ...result, done: result.done.toSorted() }).toEqual({
      done: ['a.state', 'a.state-1'],
      archived: [],
      failed: [],
      inProgress: [],
    });
    expect(await exercise.chain('a')).toEqual(['count available']);
    expect(await exercise.chain('b')).toEqual(['count done', 'count done']);
    // Repeated, as if its reply had been lost.
    const again = await errorOf(() => exercise.until(engine.reset({ states: ['a.state'] })));
    expect(again?.code).toBe('not-reset');
    await exercise.until(engine.reset({ states: ['b.state-1'] }));
    expect(await exercise.chain('b')).toEqual(['count done', 'count available']);
    const session = await exercise.join('ant');
    const tasks = await exercise.take(session, 2);
    expect(tasks.map(({ name }) => name).toSorted()).toEqual(['a.state', 'b.state-1']);
    expect(tasks.map(({ attempts }) => attempts)).toEqual([[], []]);
  });

  test('resets all states of a status', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await runTwoSteps(exercise, 'a');
    await exercise.submit('b', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    await exercise.settle(session, failureOf(task!, session.now()));
    await exercise.until(session.close(0));
    const failed = await exercise.until(engine.reset({ statuses: ['failed', 'in progress'] }));
    expect(failed).toMatchObject({ done: [], failed: ['b.state'], inProgress: [] });
    expect(await exercise.chain('b')).toEqual(['count available']);
    const { done } = await exercise.until(engine.reset({ statuses: ['done'] }));
    expect(done.toSorted()).toEqual(['a.state', 'a.state-1']);
    expect(await exercise.chain('a')).toEqual(['count available']);
    // Repeated, as if its reply had been lost.
    expect((await exercise.until(engine.reset({ statuses: ['done', 'failed'] }))).done).toEqual([]);
  });

  test('lets an event that a reset step has applied be sent again', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('lamp', { state: 'lamp' });
    const session = await exercise.join('ant', { stays: true });
    await exercise.send('lamp', 'a');
    let [task] = await exercise.take(session, 1, 0);
    if (task!.events.length === 0) {
      await exercise.settle(session, { hold: task!, outcome: { kind: 'wait' } });
      [task] = await exercise.take(session, 1, 0);
    }
    const [{ file, id }] = task!.events as [Task['events'][number]];
    const events = [{ file, id, outcome: 'Ok', from: 'off', to: 'on' }] as const;
    const commit = commitOf(task!, session.now(), { next: { state: 'lamp' }, events, rests: true });
    await exercise.settle(session, commit);
    expect((await exercise.send('lamp', 'a')).kind).toBe('over');
    await exercise.until(session.close(0));
    await exercise.until(engine.reset({ states: ['lamp.state'] }));
    expect(await engine.eventResult('a')).toBe(undefined);
    expect((await exercise.send('lamp', 'a')).kind).toBe('sent');
    expect(await exercise.chain('lamp')).toEqual(['lamp available']);
  });

  test('takes events back that a reset step has emitted, and none has applied', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    const { hold, outcome } = commitOf(task!, session.now());
    const { record } = outcome as { readonly record: CommitRecord };
    const emit = [emittedEvent({ to: 'lamp', event: 'press' }, 0, record)];
    const commit = { kind: 'commit', record: { ...record, emit } } as const;
    await exercise.settle(session, { hold, outcome: commit });
    await exercise.until(session.close(0));
    await exercise.until(exercise.engine.reset({ states: ['a.state'] }));
    await exercise.submit('lamp', { state: 'lamp' });
    const bee = await exercise.join('bee', { stays: true });
    const [lamp] = await exercise.take(bee, 1, 0);
    await exercise.settle(bee, { hold: lamp!, outcome: { kind: 'wait' } });
    expect(lamp!.events).toEqual([]);
    expect(await exercise.takeWithin(bee, 0, 2000)).toEqual([]);
  });

  test('resets nothing that cannot be, and nothing done while a session is alive', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await runTwoSteps(exercise, 'a');
    await exercise.submit('b', COUNT);
    const codeOf = async (what: Parameters<typeof engine.reset>[0]): Promise<unknown> =>
      (await errorOf(() => exercise.until(engine.reset(what))))?.code;
    for (const name of ['b.state', 'nothing.state'])
      expect(await codeOf({ states: ['a.state', name] })).toBe('not-reset');
    expect(await codeOf({ states: ['../a.state'] })).toBe('bad-name');
    const session = await exercise.join('ant', { stays: true });
    await exercise.takeWithin(session, 1, 500);
    expect(await codeOf({ states: ['a.state'] })).toBe('workers-alive');
    expect(await codeOf({ statuses: ['done'] })).toBe('workers-alive');
    expect(await exercise.chain('a')).toEqual(['count done', 'count done']);
  });

  test('resets nothing after its signal has aborted', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await runTwoSteps(exercise, 'a');
    const reason = new Error('no more');
    for (const what of [{ states: ['a.state'] }, { statuses: ['done', 'in progress'] }] as const) {
      const error = await errorOf(() =>
        exercise.until(engine.reset(what, AbortSignal.abort(reason))),
      );
      expect(error).toBe(reason);
    }
    expect(await exercise.chain('a')).toEqual(['count done', 'count done']);
  });

  test('watch hints at changes, and ends with its signal', async () => {
    const exercise = new Exercise(await make());
    const abort = new AbortController();
    const hints = exercise.engine.watch(abort.signal)[Symbol.asyncIterator]();
    for (const name of ['a', 'b']) {
      const next = hints.next();
      await exercise.bench.pass(10);
      await exercise.submit(name, COUNT);
      expect((await exercise.until(next)).done === true).toBe(false);
    }
    const last = hints.next();
    abort.abort();
    let { done } = await exercise.until(last);
    while (done !== true) ({ done } = await exercise.until(hints.next()));
    const none = exercise.engine.watch(abort.signal)[Symbol.asyncIterator]();
    expect((await exercise.until(none.next())).done).toBe(true);
  });

  test('close ends what watches, and may be repeated', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    const hints = engine.watch(new AbortController().signal)[Symbol.asyncIterator]();
    let next = hints.next();
    await exercise.bench.pass(10);
    await exercise.until(Promise.all([engine.close(), engine.close()]));
    while ((await exercise.until(next)).done !== true) next = hints.next();
    await exercise.until(engine.close());
  });

  test('inspect tells of each caution in a sentence', async () => {
    const { engine } = await make();
    for (const { code, message } of await engine.inspect()) {
      expect(/^[a-z-]+$/.test(code)).toBe(true);
      expect(/^[A-Z].*\.$/s.test(message)).toBe(true);
    }
  });
}

const COUNT_TWICE = { state: 'count', payload: { left: 1 } };

/** An operator's step, alone and against sessions that take the same instances. */
export function exercisePlace({ test, expect }: TestFramework, make: MakeEngine): void {
  const place = (exercise: Exercise, instance: string, to: NewPlace): Promise<PlaceResult> =>
    exercise.until(exercise.engine.place(instance, to));
  const kindOf = async (placing: Promise<PlaceResult>): Promise<string> => (await placing).kind;

  test('places an instance in another state, as a step of its history', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    await exercise.submit('a', { ...COUNT_TWICE, priority: 3, 'x-mine': 'kept' });
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
    const ticks = await exercise.ticks(2);
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
    await exercise.submit('a', { ...COUNT_TWICE, 'x-mine': 'x'.repeat(600_000) });
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
    await exercise.submit('a', COUNT_TWICE);
    const to = { state: 'other', payload: { left: 1, right: undefined } };
    for (const kind of ['placed', 'there already'])
      expect(await kindOf(place(exercise, 'a', to as unknown as NewPlace))).toBe(kind);
  });

  test('places waiting, failed and delayed instances, and none that is held', async () => {
    const exercise = new Exercise(await make());
    const later = new Date(exercise.bench.clock.now() + 3_600_000).toISOString();
    await exercise.submit('failed', COUNT_TWICE);
    await exercise.submit('held', COUNT_TWICE);
    await exercise.submit('lamp', { state: 'lamp' });
    const session = await exercise.join('ant', { stays: true });
    const tasks = await exercise.take(session, 3, 3);
    const taskOf = (name: string): Task => tasks.find((one) => one.name === `${name}.state`)!;
    const now = session.now();
    await exercise.settle(session, failureOf(taskOf('failed'), now));
    await exercise.settle(session, { hold: taskOf('lamp'), outcome: { kind: 'wait' } });
    await exercise.submit('later', { ...COUNT_TWICE, notBefore: later });
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
    for (const name of names) await exercise.submit(name, COUNT_TWICE);
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
