/** Exercise of `Session`: holds, settlements, expiry. */
import { workerOf } from '../engine/decisions.ts';
import type { Settlement, Task } from '../engine/session.ts';
import { InvariantError } from '../machine/invariant.ts';
import { machine } from '../machine/machine.ts';
import { createRegistry } from '../machine/registry.ts';
import { done } from '../machine/answer.ts';
import { commitOf, Exercise, failureOf, type MakeEngine, type TestFramework } from './bench.ts';
import { COUNT } from './machines.ts';

const LAMP = { state: 'lamp' };

const names = (tasks: readonly { readonly name: string }[]): string[] =>
  tasks.map(({ name }) => name).toSorted();

function attemptOf(task: Task, now: string, afterMs: number): Settlement {
  const attempt = {
    attempt: task.attempts.length + 1,
    session: task.session,
    worker: workerOf(task),
    started: now,
    ended: now,
    result: 'failed',
    error: { message: 'no' },
    notBefore: new Date(Date.parse(now) + afterMs).toISOString(),
  } as const;
  const tick = { started: now, duration: 1, attempt: attempt.attempt };
  return { hold: task, outcome: { kind: 'retry', attempt }, machine: 'count', tick };
}

export function exerciseSessions({ test, expect }: TestFramework, make: MakeEngine): void {
  test('hands each state out once to two sessions that take at once', async () => {
    const exercise = new Exercise(await make());
    const all = Array.from({ length: 8 }, (_, index) => `i${index}`);
    for (const name of all) await exercise.submit(name, COUNT);
    const sessions = [await exercise.join('ant'), await exercise.join('bee')];
    const held: Task[] = [];
    for (let round = 0; held.length < all.length && round < 50; round += 1) {
      const taken = await Promise.all(
        sessions.map(async (session) => {
          const tasks = await exercise.takeWithin(session, 4, 500);
          if (tasks === 'drained') return [];
          const now = session.now();
          await exercise.until(session.settle(tasks.map((task) => commitOf(task, now))));
          return tasks;
        }),
      );
      held.push(...taken.flat());
    }
    expect(names(held)).toEqual(all.map((name) => `${name}.state`));
  });

  test('take hands out at most its limit, higher priorities first', async () => {
    const exercise = new Exercise(await make());
    for (const [name, priority] of [
      ['low', -1],
      ['high', 5],
      ['plain', 0],
    ] as const)
      await exercise.submit(name, { ...COUNT, priority });
    const session = await exercise.join('ant');
    const [first] = await exercise.take(session, 1);
    expect(first!.name).toBe('high.state');
    expect(names(await exercise.take(session, 2))).toEqual(['low.state', 'plain.state']);
  });

  test('a commit publishes its successor, and settle may be repeated', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    const commit = commitOf(task!, session.now(), { next: COUNT });
    expect(await exercise.settle(session, commit)).toEqual(['settled']);
    expect(await exercise.settle(session, commit)).toEqual(['settled']);
    const [next] = await exercise.take(session, 1);
    expect(next).toMatchObject({ name: 'a.state-1', attempts: [] });
    expect((await next!.history()).map(({ name }) => name)).toEqual(['a.state', 'a.state-1']);
    expect(await exercise.settle(session, commitOf(next!, session.now(), { output: 5 }))).toEqual([
      'settled',
    ]);
    expect(await exercise.chain('a')).toEqual(['count done', 'count done']);
    expect(await exercise.engine.get('a')).toMatchObject({
      name: 'a.state-1',
      output: 5,
      worker: 'ant',
    });
  });

  test('counts a failed attempt, and hands the state out again when it is due', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    const due = Date.parse(session.now()) + 5000;
    expect(await exercise.settle(session, attemptOf(task!, session.now(), 5000))).toEqual([
      'settled',
    ]);
    const [again] = await exercise.take(session, 1);
    expect(Date.parse(session.now()) >= due).toBe(true);
    expect(again!.attempts).toMatchObject([{ attempt: 1, result: 'failed', worker: 'ant' }]);
  });

  test('lists a failed state with its reason, until it is retried', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    expect(await exercise.settle(session, failureOf(task!, session.now()))).toEqual(['failed']);
    expect(await exercise.failed()).toEqual(['a.state']);
    expect(await exercise.engine.get('a')).toMatchObject({ flag: 'failed', reason: 'exercise' });
    expect(await exercise.takeWithin(session, 1, 2000)).toEqual([]);
    expect(await exercise.engine.retry(['a.state'])).toEqual([true]);
    const [again] = await exercise.take(session, 1);
    expect(again!.attempts).toEqual([]);
  });

  test('hands a released state out again, without an attempt', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    await exercise.settle(session, { hold: task!, outcome: { kind: 'release' } });
    const [again] = await exercise.take(session, 1);
    expect(again!.attempts).toEqual([]);
  });

  test('hands a deferred state out when it is due', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant');
    const [task] = await exercise.take(session, 1);
    const notBefore = new Date(Date.parse(session.now()) + 4000).toISOString();
    await exercise.settle(session, { hold: task!, outcome: { kind: 'defer', notBefore } });
    await exercise.take(session, 1);
    expect(session.now() >= notBefore).toBe(true);
  });

  test('hands a waiting state out with its events: in order, each once', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('lamp', LAMP);
    const session = await exercise.join('ant', { stays: true });
    const [resting] = await exercise.take(session, 1, 0);
    expect(resting!.events).toEqual([]);
    await exercise.settle(session, { hold: resting!, outcome: { kind: 'wait' } });
    expect(await exercise.takeWithin(session, 4, 2000)).toEqual([]);
    for (const id of ['a', 'b', 'a']) {
      await exercise.send('lamp', id);
      await exercise.bench.pass(5);
    }
    const [task] = await exercise.take(session, 1, 0);
    // Of two events with one id the first counts.
    const first = new Map(task!.events.toReversed().map((event) => [event.id, event]));
    const [a, b] = [first.get('a')!, first.get('b')!];
    expect(first.size).toBe(2);
    expect(task!.events.indexOf(a) < task!.events.indexOf(b)).toBe(true);
    const events = [a, b].map(({ file, id }) => {
      const applied = { file, id, outcome: 'Ok', from: 'off', to: 'on' } as const;
      return applied;
    });
    const commit = commitOf(task!, session.now(), { next: LAMP, events, rests: true });
    expect(await exercise.settle(session, commit)).toEqual(['settled']);
    expect(await exercise.engine.eventResult('a')).toMatchObject({ outcome: { outcome: 'Ok' } });
    expect((await exercise.send('lamp', 'a')).kind).toBe('over');
    // A second copy of an applied event is not handed out.
    const rest = await exercise.takeWithin(session, 4, 2000);
    expect(rest === 'drained' ? [] : rest.flatMap((one) => one.events)).toEqual([]);
  });

  test('leaves a refused state to a session that knows its machine, or fails it', async () => {
    const exercise = new Exercise(await make());
    const paint = createRegistry([machine({ name: 'paint', activities: { paint: () => done() } })]);
    await exercise.submit('a', { state: 'paint' });
    const ant = await exercise.join('ant', { stays: true });
    const bee = await exercise.join('bee', { registry: paint, stays: true });
    const refusal = { code: 'unknown-machine', machine: 'paint', reason: 'r' };
    const refuse = (task: Task): Settlement => ({
      hold: task,
      outcome: { kind: 'refuse', ...refusal },
    });
    let taken: readonly Task[] = [];
    for (let round = 0; taken.length === 0 && round < 50; round += 1) {
      const first = await exercise.takeWithin(ant, 1, 500);
      if (first !== 'drained' && first.length > 0) {
        expect(await exercise.settle(ant, refuse(first[0]!))).toEqual(['settled']);
      }
      const second = await exercise.takeWithin(bee, 1, 500);
      if (second !== 'drained') taken = second;
    }
    expect(names(taken)).toEqual(['a.state']);
    expect(await exercise.settle(bee, commitOf(taken[0]!, bee.now()))).toEqual(['settled']);
    await exercise.submit('b', { state: 'sing' });
    const [unknown] = await exercise.take(ant, 1).catch(() => exercise.take(bee, 1));
    const by = workerOf(unknown!) === 'ant' ? ant : bee;
    const sing = { kind: 'refuse', ...refusal, machine: 'sing' } as const;
    expect(await exercise.settle(by, { hold: unknown!, outcome: sing })).toEqual(['failed']);
    expect(await exercise.failed()).toEqual(['b.state']);
  });

  test('fails a refused state when the session that it was left to has closed', async () => {
    const exercise = new Exercise(await make());
    const paint = createRegistry([machine({ name: 'paint', activities: { paint: () => done() } })]);
    const ant = await exercise.join('ant', { stays: true });
    const bee = await exercise.join('bee', { registry: paint, stays: true });
    await exercise.submit('a', { state: 'paint' });
    const [task] = await exercise.take(ant, 1);
    const outcome = {
      kind: 'refuse',
      code: 'unknown-machine',
      machine: 'paint',
      reason: 'r',
    } as const;
    expect(await exercise.settle(ant, { hold: task!, outcome })).toEqual(['settled']);
    const taking = exercise.take(ant, 1);
    await exercise.until(bee.close(0));
    const [again] = await taking;
    expect(again!.name).toBe('a.state');
    expect(await exercise.settle(ant, { hold: again!, outcome })).toEqual(['failed']);
  });

  test('is drained only when nothing is ready, held, delayed or due', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', COUNT);
    await exercise.submit('lamp', { ...LAMP });
    const session = await exercise.join('ant');
    const other = await exercise.join('bee');
    const tasks: Task[] = [];
    const owners = new Map<Task, typeof session>();
    for (let round = 0; tasks.length < 2 && round < 50; round += 1) {
      for (const one of [session, other]) {
        const taken = await exercise.takeWithin(one, 1, 300);
        if (taken === 'drained') throw new Error('expected tasks, got drained');
        for (const task of taken) {
          tasks.push(task);
          owners.set(task, one);
        }
      }
    }
    const lamp = tasks.find(({ name }) => name === 'lamp.state')!;
    const count = tasks.find(({ name }) => name === 'a.state')!;
    await exercise.settle(owners.get(lamp)!, { hold: lamp, outcome: { kind: 'wait' } });
    expect(await exercise.takeWithin(session, 1, 3000)).toEqual([]);
    const now = session.now();
    await exercise.settle(owners.get(count)!, attemptOf(count, now, 3000));
    expect(await exercise.takeWithin(session, 1, 2000)).toEqual([]);
    const [again] = await exercise.take(session, 1).catch(() => exercise.take(other, 1));
    const by = workerOf(again!) === 'ant' ? session : other;
    await exercise.settle(by, commitOf(again!, session.now()));
    const ends = [session, other].map((one) => one.take(1, new AbortController().signal));
    expect(await exercise.until(Promise.all(ends))).toEqual(['drained', 'drained']);
  });

  test('is drained when events are pending for failed states only, and applies them after a retry', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('a', LAMP);
    const ant = await exercise.join('ant');
    const [task] = await exercise.take(ant, 1);
    await exercise.settle(ant, failureOf(task!, ant.now()));
    await exercise.send('a', 'e1');
    expect(await exercise.until(ant.take(1, new AbortController().signal))).toBe('drained');
    await exercise.until(ant.close(0));
    expect(await exercise.until(exercise.engine.retry(['a.state']))).toEqual([true]);
    const [again] = await exercise.take(await exercise.join('bee'), 1);
    expect(again!.events.map(({ id }) => id)).toEqual(['e1']);
  });

  test('a commit that depends on an instance that has moved since is outdated', async () => {
    const exercise = new Exercise(await make());
    await exercise.submit('lamp', { state: 'count', payload: { left: 1 } });
    const session = await exercise.join('ant', { stays: true });
    const [lamp] = await exercise.take(session, 1);
    await exercise.submit('eye', { state: 'eye' });
    await exercise.send('eye', 'look', { event: 'look' });
    const [eye] = await exercise.take(session, 1, 0);
    expect(eye!.observe('lamp')).toMatchObject({ state: 'count' });
    await exercise.settle(session, commitOf(lamp!, session.now(), { next: COUNT }));
    await exercise.bench.pass(5000);
    const decided = commitOf(eye!, session.now(), {
      next: { state: 'eye' },
      events: eye!.events.map(({ file, id }) => ({ file, id, outcome: 'Ok', from: 'shut' })),
      readSet: ['lamp'],
    });
    expect(await exercise.settle(session, decided)).toEqual(['outdated']);
    expect(await exercise.engine.eventResult('look')).toBe(undefined);
    let refused: unknown;
    try {
      eye!.observe('door');
    } catch (error) {
      refused = error;
    }
    expect(refused instanceof Error).toBe(true);
  });

  test('hands an expired hold to another session, with a lost attempt, and the old one settles nothing', async () => {
    const bench = await make();
    const exercise = new Exercise(bench);
    await exercise.submit('a', COUNT);
    const ant = await exercise.join('ant');
    const [task] = await exercise.take(ant, 1);
    const bee = await exercise.join('bee', { stays: true });
    const taking = exercise.take(bee, 1);
    bench.expire(ant, [task!]);
    const [again] = await taking;
    expect(again!.attempts).toMatchObject([{ result: 'lost', worker: 'ant' }]);
    expect(task!.signal.aborted).toBe(true);
    const late = exercise.settle(ant, commitOf(task!, bee.now(), { output: 'late' }));
    expect(await exercise.settle(bee, commitOf(again!, bee.now(), { output: 'kept' }))).toEqual([
      'settled',
    ]);
    const [result] = await late;
    expect(result === 'lost' || result === 'unsure').toBe(true);
    expect(await exercise.engine.get('a')).toMatchObject({ output: 'kept', worker: 'bee' });
  });

  test('close waits for tasks that were handed out, aborts them after its drain, and gives the rest back', async () => {
    const exercise = new Exercise(await make());
    for (const name of ['a', 'b', 'c']) await exercise.submit(name, COUNT);
    const ant = await exercise.join('ant');
    const tasks = await exercise.take(ant, 2);
    let isClosed = false;
    const closing = ant.close(3000).then(() => (isClosed = true));
    const again = ant.close(3000);
    await exercise.settle(ant, commitOf(tasks[0]!, ant.now()));
    expect(isClosed).toBe(false);
    while (!tasks[1]!.signal.aborted) await exercise.bench.pass(100);
    await exercise.settle(ant, { hold: tasks[1]!, outcome: { kind: 'release' } });
    await exercise.until(Promise.all([closing, again]));
    const bee = await exercise.join('bee');
    const rest = await exercise.take(bee, 2);
    expect(rest.map(({ attempts }) => attempts)).toEqual([[], []]);
  });

  test('abort ends the session at once: it stores nothing more, and another session gets what it held', async () => {
    const exercise = new Exercise(await make());
    for (const name of ['a', 'b']) await exercise.submit(name, COUNT);
    const ant = await exercise.join('ant');
    const tasks = await exercise.take(ant, 2);
    const reason = new InvariantError('I6: expected one hold of a state');
    const signal = new AbortController().signal;
    const taking = ant.take(1, signal);
    ant.abort(reason);
    const commit = commitOf(tasks[0]!, ant.now());
    const calls = [taking, ant.take(1, signal), ant.settle([commit]), ant.close(0)];
    // Before the first await: no rejection is left without a handler.
    const errors = calls.map((call) => call.catch((error: unknown) => error));
    for (const error of errors) expect(await exercise.until(error)).toBe(reason);
    expect(tasks.map((task) => task.signal.aborted)).toEqual([true, true]);
    const bee = await exercise.join('bee');
    const again = await exercise.take(bee, 2);
    expect(names(again)).toEqual(['a.state', 'b.state']);
    expect(again.map(({ attempts }) => attempts.map(({ result }) => result))).toEqual([
      ['lost'],
      ['lost'],
    ]);
    await exercise.settle(bee, ...again.map((task) => commitOf(task, bee.now())));
    await exercise.until(bee.close(0));
  });
}
