/** Exercise of `ClientApi`. */
import type { Session } from '../engine/session.ts';
import { Exercise, type Expect, type MakeEngine, type TestFramework } from './bench.ts';

const encoder = new TextEncoder();
const bytesOf = (file: unknown): Uint8Array => encoder.encode(JSON.stringify(file));

async function codeOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

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
    expect(await codeOf(() => engine.configurations.put(bad, text))).toBe('bad-configuration-name');
  });

  test('submits a state file whole, once, and never over another', async () => {
    const { engine } = await make();
    const [one, other] = [bytesOf({ state: 'count', payload: 1 }), bytesOf({ state: 'count' })];
    expect(await engine.submit('a.state', one)).toBe('submitted');
    expect(await engine.submit('a.state', one)).toBe('there already');
    expect(await engine.submit('a.state', other)).toBe('name taken');
    expect(await engine.get('a')).toMatchObject({ name: 'a.state', payload: 1 });
    expect(await codeOf(() => engine.submit('b.state', bytesOf({ colour: 1 })))).toBe('bad-state');
    expect(await codeOf(() => engine.submit('../b.state', one))).toBe('bad-state');
    expect(await engine.instances()).toEqual(['a']);
  });

  test('keeps one of many concurrent submissions of one name', async () => {
    const { engine } = await make();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, payload) =>
        engine.submit('a.state', bytesOf({ state: 'count', payload })),
      ),
    );
    expect(results.filter((result) => result === 'submitted').length).toBe(1);
    expect(results.filter((result) => result === 'name taken').length).toBe(7);
  });

  test('returns no step, history or result for what does not exist', async () => {
    const { engine } = await make();
    expect(await engine.get('nothing')).toBe(undefined);
    expect(await engine.history('nothing')).toEqual([]);
    expect(await engine.eventResult('nothing')).toBe(undefined);
    expect(await engine.instances()).toEqual([]);
    expect(await engine.failed()).toEqual([]);
    expect(await engine.retry('nothing.state')).toBe(false);
    expect(await engine.resume()).toBe(false);
  });

  test('rejects an event without an instance when its grace is over, and sends it once', async () => {
    const exercise = new Exercise(await make());
    const { engine } = exercise;
    expect(await codeOf(() => engine.send({ to: 'a/b', id: 'x', file: { event: 'press' } }))).toBe(
      'bad-event',
    );
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
