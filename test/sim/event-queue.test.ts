/** Virtual time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue } from '../../src/sim/event-queue.ts';

const never = (): boolean => false;

test('runs actions by time, then by order of creation', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 20 })), async (delays) => {
      const queue = new EventQueue(100);
      const happened: [time: number, made: number][] = [];
      delays.forEach((delay, made) => {
        queue.at(100 + delay, () => happened.push([queue.now - 100, made]));
      });
      await queue.run(never);
      const expected = delays
        .map((delay, made): [number, number] => [delay, made])
        .toSorted(([a, first], [b, second]) => a - b || first - second);
      expect(happened).toEqual(expected);
      expect(queue.events).toBe(delays.length);
    }),
  );
});

test('does not run a cancelled action', async () => {
  const queue = new EventQueue(0);
  const happened: string[] = [];
  queue.at(1, () => {
    happened.push('first');
    cancel();
  });
  const cancel = queue.at(2, () => happened.push('second'));
  queue.at(3, () => happened.push('third'))();
  await queue.run(never);
  expect(happened).toEqual(['first']);
  expect(queue.events).toBe(1);
});

test('runs all promise jobs of an action before the next action', async () => {
  const queue = new EventQueue(0);
  const happened: string[] = [];
  queue.at(1, () => {
    void (async () => {
      for (let step = 1; step <= 5; step += 1) {
        await Promise.resolve();
        happened.push(`${queue.now}: step ${step}`);
      }
      queueMicrotask(() => happened.push(`${queue.now}: last step`));
    })();
  });
  queue.at(2, () => happened.push(`${queue.now}: next event`));
  await queue.run(never);
  expect(happened).toEqual([
    ...[1, 2, 3, 4, 5].map((step) => `1: step ${step}`),
    '1: last step',
    '2: next event',
  ]);
});

test('runs an action for a past time at once', async () => {
  const queue = new EventQueue(10);
  const happened: number[] = [];
  queue.at(20, () => {
    queue.at(5, () => happened.push(queue.now));
    queue.at(25, () => happened.push(queue.now));
  });
  queue.at(22, () => happened.push(queue.now));
  await queue.run(never);
  expect(happened).toEqual([20, 22, 25]);
});

test('stops when it is over or at the limit, and continues from there', async () => {
  const queue = new EventQueue(0);
  const happened: number[] = [];
  for (const time of [1, 2, 3, 10]) queue.at(time, () => happened.push(time));
  await queue.run(() => happened.length === 2);
  expect([queue.now, happened]).toEqual([2, [1, 2]]);
  await queue.run(never, 7);
  expect([queue.now, happened]).toEqual([7, [1, 2, 3]]);
  await queue.run(never);
  expect([queue.now, happened]).toEqual([10, [1, 2, 3, 10]]);
});
