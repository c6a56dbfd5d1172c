/** Virtual time: everything in its order, and nothing in between. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Agenda } from '../../src/sim/agenda.ts';

const never = (): boolean => false;

test('what is due first happens first, and of what is due together what was made first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 20 })), async (delays) => {
      const agenda = new Agenda(100);
      const happened: [time: number, made: number][] = [];
      delays.forEach((delay, made) => {
        agenda.at(100 + delay, () => happened.push([agenda.now - 100, made]));
      });
      await agenda.run(never);
      const expected = delays
        .map((delay, made): [number, number] => [delay, made])
        .toSorted(([a, first], [b, second]) => a - b || first - second);
      expect(happened).toEqual(expected);
      expect(agenda.events).toBe(delays.length);
    }),
  );
});

test('what is struck out does not happen, whenever it is struck', async () => {
  const agenda = new Agenda(0);
  const happened: string[] = [];
  agenda.at(1, () => {
    happened.push('first');
    strike();
  });
  const strike = agenda.at(2, () => happened.push('second'));
  agenda.at(3, () => happened.push('third'))();
  await agenda.run(never);
  expect(happened).toEqual(['first']);
  expect(agenda.events).toBe(1);
});

test('what an event makes possible happens before the next event', async () => {
  const agenda = new Agenda(0);
  const happened: string[] = [];
  agenda.at(1, () => {
    void (async () => {
      for (let step = 1; step <= 5; step += 1) {
        await Promise.resolve();
        happened.push(`${agenda.now}: step ${step}`);
      }
      queueMicrotask(() => happened.push(`${agenda.now}: last step`));
    })();
  });
  agenda.at(2, () => happened.push(`${agenda.now}: next event`));
  await agenda.run(never);
  expect(happened).toEqual([
    ...[1, 2, 3, 4, 5].map((step) => `1: step ${step}`),
    '1: last step',
    '2: next event',
  ]);
});

test('an event may make others, and the past is now', async () => {
  const agenda = new Agenda(10);
  const happened: number[] = [];
  agenda.at(20, () => {
    agenda.at(5, () => happened.push(agenda.now));
    agenda.at(25, () => happened.push(agenda.now));
  });
  agenda.at(22, () => happened.push(agenda.now));
  await agenda.run(never);
  expect(happened).toEqual([20, 22, 25]);
});

test('it stops when it is over, or at the limit, and goes on from there', async () => {
  const agenda = new Agenda(0);
  const happened: number[] = [];
  for (const time of [1, 2, 3, 10]) agenda.at(time, () => happened.push(time));
  await agenda.run(() => happened.length === 2);
  expect([agenda.now, happened]).toEqual([2, [1, 2]]);
  await agenda.run(never, 7);
  expect([agenda.now, happened]).toEqual([7, [1, 2, 3]]);
  await agenda.run(never);
  expect([agenda.now, happened]).toEqual([10, [1, 2, 3, 10]]);
});
