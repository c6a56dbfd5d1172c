import { expect, test } from 'vitest';
import { Deadlines } from '../../src/worker/deadlines.ts';
import { StillClock } from '../still-clock.ts';

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

test('each at its time, in whatever order they were made', async () => {
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

test('one that passes while another is told', async () => {
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

test('a new first one moves the timer, and leaves no other', async () => {
  const { clock, add } = setUp();
  add('second', 200);
  add('first', 100);
  await settled();
  expect([clock.sleeps, clock.timers]).toEqual([2, 1]);
});

test('one that has ended never passes, and does not take the others with it', async () => {
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

test('a timer that goes off too early is set again', async () => {
  const { clock, passed, add, pass } = setUp();
  add('one', 100);
  clock.goOffEarly();
  await settled();
  expect(passed).toEqual([]);
  await pass(100);
  expect(passed).toEqual(['one']);
});

test('one timer for all, and none when nobody waits: the process could not end', async () => {
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

test('ending one and adding the next at once leaves the timer as it is', async () => {
  const { clock, add } = setUp();
  let end = add('0', 1000);
  for (let index = 1; index < 100; index += 1) {
    end();
    end = add(`${index}`, 1000);
    await Promise.resolve();
  }
  expect([clock.sleeps, clock.timers]).toEqual([1, 1]);
});
