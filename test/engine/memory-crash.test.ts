/** What only an engine in memory can be made to do wrong: its rows are shared by all sessions. */
import { describe, expect, test } from 'vitest';
import { memoryEngine } from '../../src/engine/memory.ts';
import { commitOf, Exercise } from '../../src/testing/bench.ts';
import { StillClock } from '../still-clock.ts';

const COUNT = { state: 'count', payload: { left: 0 } };

function given(): Exercise {
  const clock = new StillClock();
  const engine = memoryEngine({ clock, random: () => 0.5 });
  const pass = async (ms: number): Promise<void> => clock.pass(ms);
  return new Exercise({ engine, clock, expiryMs: 1000, pass, expire: () => undefined });
}

describe('a bug in an engine in memory', () => {
  test.each([
    [
      'another state',
      'I2: expected the record of the state that is held; state a.state',
      { state: 'b.state' },
    ],
    [
      'another session',
      'I1: expected a record of the session; state a.state',
      { session: 'cat.1' },
    ],
    [
      'a wrong number',
      'I2: expected the next number for the successor; state a.state',
      { next: { name: 'a.state-7', content: '{"state":"count"}' } },
    ],
    [
      'a successor that is no state file',
      'I2: expected successors that are state files; state a.state',
      { next: { name: 'a.state-1', content: '{"state":""}' } },
    ],
    [
      'a branch that is no state file',
      'I2: expected successors that are state files; state a.state',
      { branches: [{ name: 'a~0~b.state', content: '[]' }] },
    ],
  ])('ends all its sessions, and stores nothing: a record of %s', async (_, message, wrong) => {
    const exercise = given();
    for (const name of ['a', 'b']) await exercise.submit(name, COUNT);
    const ant = await exercise.join('ant', { stays: true });
    const bee = await exercise.join('bee', { stays: true });
    const [task, other] = await exercise.take(ant, 2);
    const ends = [ant, bee].map((session) =>
      session.take(1, new AbortController().signal).catch((error: unknown) => error),
    );
    const { hold, outcome } = commitOf(task!, ant.now(), { output: 1 });
    const record = { ...(outcome as { record: object }).record, ...wrong };
    const settling = ant.settle([{ hold, outcome: { ...outcome, record } as typeof outcome }]);
    const error: unknown = await settling.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invariant', message: expect.stringContaining(message) });
    expect(await Promise.all(ends)).toEqual([error, error]);
    expect(other!.signal.aborted).toBe(true);
    expect(await exercise.chain('a')).toEqual(['count available']);
    await expect(exercise.join('cat')).rejects.toBe(error);
  });
});
