import { expect, test, describe } from 'vitest';
import type { RunnableActivity } from '../../src/machine/definition.ts';
import { Cancellation, supervise, Deadlines } from '../../src/worker/supervise.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { StillClock } from '../still-clock.ts';

describe('supervise', () => {
  test('cancels an attempt at once when the worker has aborted it already', async () => {
    const cancellable = new Cancellation();
    const activity = { kind: 'tick', timeout: 1000 } as RunnableActivity;
    const result = await supervise({ activity } as TickTask, new Promise(() => undefined), {
      cancellable,
      workerSignal: AbortSignal.abort(),
      deadlines: new Deadlines(new StillClock()),
      mayBeAbandoned: true,
    });
    expect(result).toEqual({ kind: 'aborted' });
    expect(cancellable.signal.aborted).toBe(true);
  });
});

function setUp() {
  const clock = new StillClock();
  const deadlines = new Deadlines(clock);
  const passed: string[] = [];
  const add = (name: string, ms: number): (() => void) =>
    deadlines.add(ms, () => passed.push(name));
  const pass = async (ms: number): Promise<void> => {
    clock.pass(ms);
    await settled();
  };
  return { clock, passed, add, pass };
}
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

describe('Deadlines', () => {
  test('calls each at its time, in any order of creation', async () => {
    const { passed, add, pass } = setUp();
    add('second', 200);
    add('first', 100);
    await pass(50);
    add('third', 250);
    await pass(49);
    expect(passed).toEqual([]);
    await pass(1);
    expect(passed).toEqual(['first']);
    await pass(100);
    expect(passed).toEqual(['first', 'second']);
    await pass(100);
    expect(passed).toEqual(['first', 'second', 'third']);
  });

  test('calls one that passes while another is called', async () => {
    const clock = new StillClock();
    const deadlines = new Deadlines(clock);
    const passed: string[] = [];
    deadlines.add(100, () => clock.pass(50));
    deadlines.add(120, () => passed.push('other'));
    clock.pass(100);
    await settled();
    clock.pass(0);
    await settled();
    expect(passed).toEqual(['other']);
  });

  test('moves its one timer when a new deadline is the first', async () => {
    const { clock, add } = setUp();
    add('second', 200);
    add('first', 100);
    await settled();
    expect([clock.sleeps, clock.timers]).toEqual([2, 1]);
  });

  test('never calls one that was cancelled, and keeps the others', async () => {
    const { passed, add, pass } = setUp();
    const end = add('ended', 100);
    add('other', 300);
    end();
    end();
    await pass(100);
    expect(passed).toEqual([]);
    await pass(200);
    expect(passed).toEqual(['other']);
  });

  test('sets its timer again when it fires too early', async () => {
    const { clock, passed, add, pass } = setUp();
    add('one', 100);
    clock.fireEarly();
    await settled();
    expect(passed).toEqual([]);
    await pass(100);
    expect(passed).toEqual(['one']);
  });

  test('has one timer for all, and none without a deadline, so that the process can end', async () => {
    const { clock, passed, add, pass } = setUp();
    const ends = Array.from({ length: 1000 }, (_, index) => add(`${index}`, 1000 + index));
    expect([clock.sleeps, clock.timers]).toEqual([1, 1]);
    for (const end of ends) end();
    await settled();
    expect(clock.timers).toBe(0);
    add('last', 100);
    await pass(100);
    expect([passed, clock.timers]).toEqual([['last'], 0]);
  });

  test('keeps its timer when a deadline is added as soon as another is cancelled', async () => {
    const { clock, add } = setUp();
    let end = add('0', 1000);
    for (let index = 1; index < 100; index += 1) {
      end();
      end = add(`${index}`, 1000);
      await Promise.resolve();
    }
    expect([clock.sleeps, clock.timers]).toEqual([1, 1]);
  });
});
