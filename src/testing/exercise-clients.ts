/** Exercise of `ClientApi`. */
import type { NewState } from '../engine/engine.ts';
import type { Session } from '../engine/session.ts';
import {
  errorOf,
  Exercise,
  newState,
  type Expect,
  type MakeEngine,
  type TestFramework,
} from './bench.ts';

const COUNT = { state: 'count', payload: { left: 0 } };

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
