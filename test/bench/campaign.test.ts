/** The order of measurements, and what becomes of a system that fails. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { measureAll } from '../../bench/campaign.ts';
import type { Amounts, Measuring, Row, RowName, System } from '../../bench/model.ts';

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
  const measure = ({ system: { name }, site }: Measuring): Promise<{ rate: number }> => {
    order.push(name);
    site();
    return Promise.resolve({ rate: order.length });
  };
  const both = await campaign(
    [row('drain', measure), row('idle', measure, 1)],
    [system('a', ['drain', 'idle']), system('b', ['drain'])],
  );
  expect(order.join('')).toBe('abababa');
  expect(both.results).toEqual([
    { row: 'drain', system: 'a', rounds: [{ rate: 1 }, { rate: 3 }, { rate: 5 }] },
    { row: 'drain', system: 'b', rounds: [{ rate: 2 }, { rate: 4 }, { rate: 6 }] },
    { row: 'idle', system: 'a', rounds: [{ rate: 7 }] },
  ]);
  expect(both).toMatchObject({ failures: [], sites: 7 });
  expect(both.said).toContain('6.0 a second');
});

test('one that fails is left out of this row, and it is said', async () => {
  let round = 0;
  const measure = ({ system: { name } }: Measuring): Promise<{ rate: number }> => {
    if (name === 'b') return Promise.resolve({ rate: 1 });
    round += 1;
    return round === 2 ? Promise.reject(new Error('it broke')) : Promise.resolve({ rate: 0 });
  };
  const { results, failures } = await campaign(
    [row('drain', measure)],
    [system('a', ['drain']), system('b', ['drain'])],
  );
  expect(round).toBe(2);
  expect(results.map((one) => `${one.system} ${one.rounds.length}`)).toEqual(['b 3']);
  expect(failures).toEqual(['drain of A: it broke']);
});
