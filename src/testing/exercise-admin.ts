/** Exercise of what operators do: reset, watch, inspect, close. */
import type { Task } from '../engine/session.ts';
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

const COUNT = { state: 'count', payload: { left: 0 } };

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

export function exerciseAdmin({ test, expect }: TestFramework, make: MakeEngine): void {
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
