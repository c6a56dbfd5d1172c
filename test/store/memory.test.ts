import { expect, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { Bench, LEASE, OPEN, type MakeStore } from './bench.ts';
import { exercise } from './exercise.ts';
import { Time } from './time.ts';

const makeMemory: MakeStore = async ({ clock }, settings) => ({
  store: memoryStore({ id: 'memory-id', clock, ...settings }),
  // Nobody hears of it any more.
  kill: () => undefined,
});

exercise('memory', makeMemory);

test('after a silence of all, the first to come back takes nobody for dead', async () => {
  const bench = await Bench.of(makeMemory);
  const name = await bench.submit('one', { state: 'count', payload: { left: 0 } });
  const [ant, bee] = [await bench.open('ant'), await bench.open('bee')];
  await ant.claim(name, OPEN);
  await bench.time.pass(10 * LEASE);
  expect(await bee.check()).toBe('alive');
  expect(await bee.recover(0, OPEN)).toMatchObject({ broken: [], dropped: [] });
  expect(await ant.check()).toBe('alive');
});

test.each([
  [{ assignment: 0, commitment: 60, update: 120, buffer: 30 }, 1000],
  [{ assignment: 40, commitment: 60, update: 120, buffer: 30 }, 619],
])('timing that nobody can work by is refused: %j, %s', (phases, lease) => {
  const { clock } = new Time();
  expect(() => memoryStore({ id: 'id', clock, random: () => 0, phases, lease })).toThrow(
    expect.objectContaining({ code: 'bad-phases' }),
  );
});
