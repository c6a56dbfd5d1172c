/** The seeded random generator. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Prng } from '../../src/sim/prng.ts';

const numbers = (seed: string, count = 50): number[] => {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => prng.next());
};

test('the same seed gives the same numbers, another seed others', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      expect(numbers(one)).toEqual(numbers(one));
      if (one !== other) expect(numbers(one)).not.toEqual(numbers(other));
    }),
  );
});

test('the numbers of a seed never change: seeds in reports stay valid', () => {
  expect(numbers('7', 4)).toEqual([
    0.5125895470846444, 0.07513795047998428, 0.2145022125914693, 0.48271638760343194,
  ]);
});

test('numbers and pairs of numbers are uniform', () => {
  const prng = new Prng('even');
  const sides = 8;
  const count = 64_000;
  const pairs = new Map<number, number>();
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    const side = Math.floor(prng.next() * sides);
    pairs.set(last * sides + side, (pairs.get(last * sides + side) ?? 0) + 1);
    last = side;
  }
  const fair = count / sides ** 2;
  expect(pairs.size).toBe(sides ** 2);
  // Six standard deviations.
  for (const times of pairs.values())
    expect(Math.abs(times - fair)).toBeLessThan(6 * Math.sqrt(fair));
});

test('similar seeds give independent numbers', () => {
  const firsts = Array.from({ length: 1000 }, (_, seed) => new Prng(String(seed)).next());
  const mean = firsts.reduce((sum, one) => sum + one, 0) / firsts.length;
  expect(mean).toBeCloseTo(0.5, 1);
  const rises = firsts.filter((one, index) => index > 0 && one > firsts[index - 1]!).length;
  expect(rises).toBeGreaterThan(400);
  expect(rises).toBeLessThan(600);
});

test('draws stay within their bounds and reach them', () => {
  const prng = new Prng('bounds');
  const many = <T>(one: () => T): T[] => Array.from({ length: 2000 }, one);
  expect(new Set(many(() => prng.whole(-1, 2)))).toEqual(new Set([-1, 0, 1, 2]));
  expect(new Set(many(() => prng.pick(['a', 'b', 'c'])))).toEqual(new Set(['a', 'b', 'c']));
  expect(many(() => prng.chance(0))).not.toContain(true);
  expect(many(() => prng.chance(1))).not.toContain(false);
  const scaled = many(() => prng.scale(1, 10_000));
  expect(Math.min(...scaled)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...scaled)).toBeLessThanOrEqual(10_000);
  const below = scaled.filter((one) => one < 100).length;
  expect(below).toBeGreaterThan(800);
  expect(below).toBeLessThan(1200);
});

test('shuffle keeps all items and does not change its argument', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat()), (seed, items) => {
      const before = [...items];
      const shuffled = new Prng(seed).shuffle(items);
      expect(items).toEqual(before);
      expect(shuffled.toSorted((a, b) => a - b)).toEqual(before.toSorted((a, b) => a - b));
    }),
  );
});

test('shuffle gives each order of three equally often', () => {
  const prng = new Prng('orders');
  const orders = new Map<string, number>();
  for (let index = 0; index < 6000; index += 1) {
    const order = prng.shuffle(['a', 'b', 'c']).join('');
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  expect(orders.size).toBe(6);
  for (const times of orders.values()) expect(Math.abs(times - 1000)).toBeLessThan(200);
});
