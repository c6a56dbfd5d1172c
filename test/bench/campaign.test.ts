/** The order of measurements, and what becomes of a system that fails. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { measureAll } from '../../bench/campaign.ts';
import type { Amounts, Measured, Measuring, Row, RowName, System } from '../../bench/model.ts';

const amounts = { states: 3 } as Amounts;

const system = (name: string, rows: readonly RowName[]): System => ({
  name,
  title: name.toUpperCase(),
  settings: '',
  rows,
  prepare: () => Promise.reject(new Error('not here')),
  open: () => Promise.reject(new Error('not here')),
});

const row = (name: RowName, measure: Row['measure'], maxRounds?: number): Row => ({
  name,
  title: () => name,
  metrics: [{ name: 'rate', unit: 'a second', digits: 1 }],
  bound: 'nothing.',
  charts: [],
  notes: [],
  ...(maxRounds !== undefined && { maxRounds }),
  measure,
});

async function campaign(
  rows: readonly Row[],
  systems: readonly System[],
): Promise<Awaited<ReturnType<typeof measureAll>> & { said: string; sites: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'flockwork-bench-'));
  const lines: string[] = [];
  const say = (text: string): void => void lines.push(text);
  try {
    const found = await measureAll({ rows, systems, rounds: 3, amounts, directory, say });
    return { ...found, said: lines.join('\n'), sites: readdirSync(directory).length };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('row by row, and in each round each system once', async () => {
  const order: string[] = [];
  const measure = ({ system: { name }, site }: Measuring): Promise<Measured> => {
    order.push(name);
    site();
    return Promise.resolve({ rate: order.length, foreign: 0.1 });
  };
  const both = await campaign(
    [row('drain', measure), row('idle', measure, 1)],
    [system('a', ['drain', 'idle']), system('b', ['drain'])],
  );
  expect(order.join('')).toBe('abababa');
  expect(both.results).toEqual([
    {
      row: 'drain',
      system: 'a',
      rounds: [
        { rate: 1, foreign: 0.1 },
        { rate: 3, foreign: 0.1 },
        { rate: 5, foreign: 0.1 },
      ],
    },
    {
      row: 'drain',
      system: 'b',
      rounds: [
        { rate: 2, foreign: 0.1 },
        { rate: 4, foreign: 0.1 },
        { rate: 6, foreign: 0.1 },
      ],
    },
    { row: 'idle', system: 'a', rounds: [{ rate: 7, foreign: 0.1 }] },
  ]);
  expect(both).toMatchObject({ failures: [], sites: 7 });
  expect(both.said).toContain('6.0 a second');
});

test('one that fails is left out of this row, and it is said', async () => {
  let round = 0;
  const measure = ({ system: { name } }: Measuring): Promise<Measured> => {
    if (name === 'b') return Promise.resolve({ rate: 1, foreign: 0 });
    round += 1;
    return round === 2
      ? Promise.reject(new Error('it broke'))
      : Promise.resolve({ rate: 0, foreign: 0 });
  };
  const { results, failures } = await campaign(
    [row('drain', measure)],
    [system('a', ['drain']), system('b', ['drain'])],
  );
  expect(round).toBe(2);
  expect(results.map((one) => `${one.system} ${one.rounds.length}`)).toEqual(['b 3']);
  expect(failures).toEqual(['drain of A: it broke']);
});

describe('foreign load', () => {
  const measured = async (...loads: readonly number[]): ReturnType<typeof campaign> => {
    let calls = 0;
    const measure = (): Promise<Measured> => {
      const foreign = loads[calls] ?? 0;
      calls += 1;
      return Promise.resolve({ rate: calls, foreign });
    };
    return campaign([row('drain', measure, 1)], [system('a', ['drain'])]);
  };

  test('repeats a measurement when it was more than half a core', async () => {
    const { results, said } = await measured(0.51, 0.5);
    expect(results[0]!.rounds).toEqual([{ rate: 2, foreign: 0.5 }]);
    expect(said).toContain('foreign load 0.51 cores: repeated');
    expect(said).toMatch(/foreign load 0\.50 cores$/m);
  });

  test('keeps the one with the least when no try was quiet', async () => {
    const { results, said } = await measured(0.9, 0.7, 0.8, 1.2);
    expect(results[0]!.rounds).toEqual([{ rate: 2, foreign: 0.7 }]);
    expect(said).toContain('foreign load 1.20 cores: given up');
  });
});
