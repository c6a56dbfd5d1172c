/** The prediction of `npm run bench -- scale`. */
import { describe, expect, test } from 'vitest';
import { predictScale } from '../../bench/scale/scale.ts';

const predicted = (...words: string[]): Promise<string> => predictScale(words, () => undefined);

interface Predicted {
  rows: {
    workers: number;
    states: number;
    operations: number;
    squared: number;
    seconds: number;
    statesPerSecond: number;
    names: number;
  }[];
}

describe('predictScale', () => {
  test('has rows for 10 to 10,000 workers and up to 10⁸ states, the same each time', async () => {
    const text = await predicted('--json');
    const { rows } = JSON.parse(text) as Predicted;
    expect([...new Set(rows.map(({ workers }) => workers))]).toEqual([10, 100, 1000, 10_000]);
    expect(new Set(rows.map(({ states }) => states)).size).toBe(7);
    for (const row of rows) {
      expect(row.operations).toBeGreaterThan(0);
      expect(row.squared).toBeLessThan(row.operations);
      // `--concurrency` is the upper bound.
      expect(row.statesPerSecond).toBeLessThanOrEqual(4.4 * row.workers);
      expect(row.seconds).toBeGreaterThanOrEqual(row.states === 0 ? 0 : 1);
    }
    expect(await predicted('--json')).toBe(text);
  });

  test('prints a table for the size that is asked for', async () => {
    const text = await predicted(...'--workers 50 --states 12345 --network --tick 10s'.split(' '));
    expect(text).toContain('phases 3.0 s 3.0 s 3.0 s, buffers 1.0 s, lease 30.0 s');
    expect(text).toContain('for each state');
    expect(text.trim().split('\n').at(-1)).toMatch(/^ *50 +12,345 /);
  });

  test('omits few states where ticks are quick: they are done at once, and have no rate', async () => {
    const text = await predicted('--json', '--tick', '100ms', '--workers', '2');
    const { rows } = JSON.parse(text) as Predicted;
    expect(rows.map(({ states }) => states)).toEqual([0, 1e4, 1e5, 1e6, 1e7, 1e8]);
  });

  test('prints its help', async () => {
    expect(await predicted('--help')).toContain('npm run bench -- scale [OPTIONS]');
  });

  test.each([
    ['x.state', 'see npm run bench -- scale --help'],
    ['--seed 7', 'see npm run bench -- scale --help'],
    ['--workers 0', '--workers: expected a whole number above 0, got "0"'],
    ['--tick 99ms', '--tick must be at least 100ms'],
    ['--lease 400ms', '--lease must be at least as long as a cycle, 500 ms'],
    ['--buffer 1ms', 'the buffer'],
    ['--leaves footprints', 'expected one of nothing, output, successor'],
    ['--tick soon', '"soon" is'],
  ])('refuses %s', async (words, message) =>
    expect(predicted(...words.split(' '))).rejects.toThrow(message),
  );
});
