/** What only the memory engine promises; test/engine/engines.test.ts has the contract. */
import { describe, expect, test } from 'vitest';
import type { JournalEntry, NewState } from '../../src/engine/engine.ts';
import { memoryEngine } from '../../src/engine/memory.ts';
import { TickLog } from '../../src/engine/memory-rows.ts';
import type { Clock } from '../../src/engine/ports.ts';
import type { Task } from '../../src/engine/session.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { commitOf, Exercise, newState } from '../../src/testing/bench.ts';
import { StillClock } from '../still-clock.ts';
import { VirtualTime } from '../volume/operations/virtual-time.ts';

function given(): Exercise {
  const time = new VirtualTime();
  const { clock } = time;
  const engine = memoryEngine({ clock, random: () => 0.5 });
  const pass = (ms: number): Promise<void> => time.pass(ms);
  return new Exercise({ engine, clock, expiryMs: 1000, pass, expire: () => undefined });
}

describe('the memory engine', () => {
  test('hands out all events of one call at once, whatever times order them', async () => {
    const time = new VirtualTime();
    const { clock } = time;
    const engine = memoryEngine({ clock, random: () => 0.5 });
    const pass = (ms: number): Promise<void> => time.pass(ms);
    const bench = { engine, clock, expiryMs: 1000, pass, expire: () => undefined };
    const exercise = new Exercise(bench);
    await exercise.submit('lamp', { state: 'lamp' });
    const session = await exercise.join('ant');
    const ids = ['c', 'b', 'a'];
    await engine.send(ids.map((id) => ({ to: 'lamp', id, file: { event: 'press' } })));
    const { signal } = new AbortController();
    const taken = await session.take(1, signal);
    if (taken === 'drained') throw new Error('expected a task, got drained');
    expect(taken[0]!.events.map(({ id }) => id)).toEqual(ids);
  });

  test('sets no timer for a call of take that has ended', async () => {
    const clock = new StillClock();
    const engine = memoryEngine({ clock, random: () => 0.5 });
    const pass = async (ms: number): Promise<void> => {
      clock.pass(ms);
      await new Promise(setImmediate);
    };
    const bench = { engine, clock, expiryMs: 1000, pass, expire: () => undefined };
    const exercise = new Exercise(bench);
    const notBefore = new Date(clock.now() + 3_600_000).toISOString();
    await exercise.submit('a', { state: 'count', notBefore });
    const session = await exercise.join('ant');
    const abort = new AbortController();
    const taking = session.take(1, abort.signal);
    expect(clock.timers).toBe(1);
    abort.abort();
    expect(await taking).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  test('resets a long chain', async () => {
    const exercise = given();
    const { engine } = exercise;
    await exercise.submit('a', { state: 'count' });
    const session = await exercise.join('ant');
    const { signal } = new AbortController();
    for (let step = 0; step < 12_000; step += 1) {
      const [task] = (await session.take(1, signal)) as readonly Task[];
      await session.settle([commitOf(task!, session.now(), { next: { state: 'count' } })]);
    }
    await session.close(0);
    const { done } = await engine.reset({ states: ['a.state'] });
    expect(done).toHaveLength(12_000);
    expect(await exercise.chain('a')).toEqual(['count available']);
  });

  test('waits for as many events as there may be', async () => {
    const exercise = given();
    const { engine } = exercise;
    const session = await exercise.join('ant', { stays: true });
    const events = Array.from({ length: 150_000 }, (_, index) => ({
      to: `i${index}`,
      id: `${index}`,
      file: { event: 'press' },
    }));
    await engine.send(events);
    expect(await exercise.takeWithin(session, 1, 100)).toEqual([]);
    // Their grace is over.
    expect(await exercise.takeWithin(session, 1, 10_000)).toEqual([]);
    expect((await engine.eventResult('7'))?.outcome.outcome).toBe('FsmNotFound');
  });

  test('hands out what was left to a session that has met a bug', async () => {
    const exercise = given();
    const ant = await exercise.join('ant', { stays: true });
    const known = { machines: ['other'] };
    const bee = await exercise.join('bee', { machines: () => known });
    await exercise.submit('a', { state: 'other' });
    const [task] = await exercise.take(ant, 1);
    const refusal = { code: 'unknown-machine', machine: 'other', reason: 'unknown' };
    await exercise.settle(ant, { hold: task!, outcome: { kind: 'refuse', ...refusal } });
    expect(await exercise.takeWithin(ant, 1, 100)).toEqual([]);
    bee.abort(new InvariantError('bug'));
    expect(await exercise.takeWithin(ant, 1, 100)).toMatchObject([{ name: 'a.state' }]);
  });

  test('asks again whether a state needs a slot when there is one for it', async () => {
    const exercise = given();
    let needsSlot = true;
    const session = await exercise.join('ant', { needsSlot: () => needsSlot });
    await exercise.submit('lamp', { state: 'lamp' });
    await exercise.send('lamp', 'a');
    expect(await exercise.takeWithin(session, 0, 100)).toEqual([]);
    // It has learned a newer version of the machine.
    needsSlot = false;
    const [task] = await exercise.take(session, 1);
    expect(task!.events.map(({ id }) => id)).toEqual(['a']);
  });

  test('says that its data end with the process', async () => {
    const { clock } = new VirtualTime();
    const cautions = await memoryEngine({ clock, random: () => 0.5 }).inspect();
    expect(cautions.map(({ code }) => code)).toEqual(['in-memory']);
  });

  test('leaves no timer behind when it is closed', async () => {
    const time = new VirtualTime();
    let sleeping = 0;
    const clock: Clock = {
      ...time.clock,
      sleep: async (ms, signal) => {
        sleeping += 1;
        await time.clock.sleep(ms, signal);
        sleeping -= 1;
      },
    };
    const engine = memoryEngine({ clock, random: () => 0.5 });
    const due = new Date(time.now + 60_000).toISOString();
    const later = (name: string): NewState => newState(name, { state: 'count', notBefore: due });
    await engine.submit([later('a')]);
    const pass = (ms: number): Promise<void> => time.pass(ms);
    const exercise = new Exercise({ engine, clock, expiryMs: 1000, pass, expire: () => undefined });
    const session = await exercise.join('ant');
    void session.take(1, new AbortController().signal);
    expect(sleeping).toBe(1);
    await engine.close();
    await new Promise(setImmediate);
    expect(sleeping).toBe(0);
    await engine.submit([later('b')]);
    expect(sleeping).toBe(0);
  });
});

describe('the log of steps', () => {
  const entries = (from: number, count: number): JournalEntry[] =>
    Array.from({ length: count }, (_, index) => ({
      started: '2026-01-01T00:00:00.000Z',
      duration: 0,
      state: `s${from + index}`,
      machine: 'm',
      worker: 'w',
      session: 'w.1',
      attempt: 1,
      result: 'done',
    }));

  test('keeps the last ten thousand, however many there were', () => {
    const log = new TickLog();
    for (let from = 0; from < 35_000; from += 5000) log.add(entries(from, 5000));
    const { ticks, next } = log.read(undefined, { limit: 100_000 });
    expect({ length: ticks.length, first: ticks[0]!.state }).toEqual({
      length: 10_000,
      first: 's25000',
    });
    log.add(entries(35_000, 1));
    const later = log.read(undefined, { limit: 10, after: next });
    expect(later.ticks.map(({ state }) => state)).toEqual(['s35000']);
    // A cursor of a step that is not kept any more goes on with those that are.
    expect(log.read(undefined, { limit: 1, after: '3' }).ticks[0]!.state).toBe('s25001');
    expect(log.read(undefined, { limit: 1, after: 'no number' }).ticks[0]!.state).toBe('s25001');
  });
});
