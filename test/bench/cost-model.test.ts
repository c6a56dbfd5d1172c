import { describe, expect, test } from 'vitest';
import { countOperations, fleetsOf, statesOf, type Setting } from '../../bench/scale/counting.ts';
import {
  byKind,
  commitsOf,
  fitCosts,
  operationsOf,
  predict,
  tallyKey,
  type Count,
} from '../../bench/scale/cost-model.ts';
import { LOCAL_PHASES, NETWORK_PHASES } from '../../src/volume/phases/cycle.ts';

const LOCAL: Setting = {
  phases: LOCAL_PHASES,
  lease: 10_000,
  concurrency: 4,
  tick: 1000,
  leaves: 'nothing',
  network: false,
};
const NETWORK: Setting = {
  ...LOCAL,
  phases: NETWORK_PHASES,
  lease: 30_000,
  tick: 10_000,
  network: true,
};

describe('each operation is of one kind', () => {
  test.each([
    ['link', 'in_progress/x.state', 'states'],
    ['stat', 'done/x.state-2', 'states'],
    ['read', 'x.state', 'states'],
    ['link', 'x.state-1', 'states'],
    ['create', '.flockwork/staging/ant.1/x.state', 'states'],
    ['sync', 'done', 'states'],
    ['append', '.flockwork/journal/ant.1.jsonl', 'states'],
    ['read', 'in_progress/x.state', 'claims'],
    ['read', '.flockwork/leases/ant.1', 'leases'],
    ['overwrite', '.flockwork/leases/ant.1', 'beats'],
    ['read', 'workers/ant', 'roster'],
    ['read', '.flockwork/sessions/ant.1', 'roster'],
    ['link', 'workers/ant', 'cycles'],
    ['list', '', 'cycles'],
    ['list', 'done', 'cycles'],
    ['read', '.flockwork/volume.json', 'cycles'],
    ['rename', '.flockwork/journal/ant.1.held', 'cycles'],
  ] as const)('%s %s: %s', (method, path, kind) => {
    const kinds = byKind({ workers: 1, seconds: 1, tally: { [tallyKey(method, path)]: 1 } });
    expect(Object.entries(kinds).filter(([, times]) => times > 0)).toEqual([[kind, 1]]);
  });
});

describe('what is fitted', () => {
  const count = (workers: number, tally: Record<string, number>): Count => ({
    workers,
    seconds: 10,
    tally,
  });

  test('is what made the counts', () => {
    // 5 a second by each worker, and 2 for each other one; 7 for each state.
    const counts = [1, 3, 9].map((workers) =>
      count(workers, {
        'read workers/': 10 * workers * (5 + 2 * (workers - 1)),
        'link done/': 20 * workers,
        'stat in_progress/': 6 * 20 * workers,
        'list done': 30 * workers,
        'list .': 0,
      }),
    );
    const costs = fitCosts(counts);
    expect(costs.shares.roster.alone).toBeCloseTo(5);
    expect(costs.shares.roster.eachOther).toBeCloseTo(2);
    const { states, operations, squared, listings } = predict(costs, 100);
    expect(states).toBeCloseTo(200);
    expect(squared).toBeCloseTo(2 * 100 * 99);
    expect(operations).toBeCloseTo(7 * 200 + (5 + 3) * 100 + 2 * 100 * 99);
    expect(listings).toBeCloseTo(300);
    expect(predict(costs, 100, 0).operations).toBeCloseTo(operations - 7 * 200);
  });

  test('is never less than nothing, whatever chance has counted', () => {
    const costs = fitCosts([count(1, { 'list done': 100 }), count(2, { 'list done': 10 })]);
    expect(costs.shares.cycles.eachOther).toBe(0);
    expect(costs.shares.cycles.alone).toBeGreaterThan(0);
  });

  test('of nothing done is no rate', () => {
    expect(predict(fitCosts([count(1, {}), count(2, {})]), 1000).operations).toBe(0);
  });
});

describe('counted runs', () => {
  test('repeat, to the last operation', async () => {
    const once = await countOperations(LOCAL, 'few', 3);
    expect(await countOperations(LOCAL, 'few', 3)).toEqual(once);
    expect(commitsOf(once)).toBeGreaterThan(200);
  });

  test('with few states, no fleet is so large that it runs out of them', () => {
    expect(fleetsOf(LOCAL, 'few')).toEqual([1, 2, 4, 8]);
    expect(fleetsOf({ ...LOCAL, tick: 100 }, 'few')).toEqual([1]);
    expect(fleetsOf({ ...LOCAL, tick: 100 }, 'many')).toEqual([1, 2, 4, 8]);
    expect(statesOf(LOCAL, 'none', 8)).toBe(0);
    expect(statesOf(LOCAL, 'many', 8)).toBeGreaterThan(3000);
  });

  /** In none of the fitted runs there were so many workers. */
  test.each<[string, Setting, 'none' | 'few' | 'many']>([
    ['idle', LOCAL, 'none'],
    ['few states', LOCAL, 'few'],
    ['many states', LOCAL, 'many'],
    ['many states, each with an output', { ...LOCAL, leaves: 'output' }, 'many'],
    ['chains', { ...LOCAL, leaves: 'successor' }, 'many'],
    ['long ticks', { ...LOCAL, tick: 20_000 }, 'many'],
    ['a network', NETWORK, 'many'],
  ])('%s: the prediction is within a tenth of what others count', async (_what, setting, stock) => {
    const fitted: Count[] = [];
    for (const workers of fleetsOf(setting, stock)) {
      fitted.push(await countOperations(setting, stock, workers));
    }
    const costs = fitCosts(fitted);
    for (const workers of [3, 6, 12]) {
      const counted = await countOperations(setting, stock, workers);
      const { operations, states } = predict(costs, workers);
      const isNear = operationsOf(counted) / counted.seconds / operations;
      expect(isNear, `operations of ${workers} workers`).toBeGreaterThan(0.9);
      expect(isNear, `operations of ${workers} workers`).toBeLessThan(1.1);
      if (stock === 'none') continue;
      expect(Math.abs(commitsOf(counted) / counted.seconds / states - 1)).toBeLessThan(0.25);
    }
  });
});
