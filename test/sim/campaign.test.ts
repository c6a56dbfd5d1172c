/** Campaigns: many runs and their totals. */
import { expect, test } from 'vitest';
import { addOutcome, addTotals, noTotals, runSeeds, type Totals } from '../../src/sim/campaign.ts';
import type { RunOutcome } from '../../src/sim/outcome.ts';
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

/** A bug: no worker expects an error without an errno. */
const MISTAKE = { kind: 'refused', errno: undefined as unknown as string } as const;

test('runSeeds runs each seed once, and its reports add up', async () => {
  const seeds = Array.from({ length: 45 }, (_, index) => String(index));
  const expected = noTotals();
  for (const seed of seeds) addOutcome(expected, await simulate(drawScenario(seed)));
  const left = [...seeds];
  const reports: Totals[] = [];
  const sum = noTotals();
  await runSeeds({
    next: () => left.shift(),
    run: (seed) => simulate(drawScenario(seed)),
    report: (totals) => {
      reports.push(totals);
      addTotals(sum, totals);
    },
    onFailure: ({ message }) => expect.unreachable(message),
  });
  expect(sum).toEqual(expected);
  expect(sum.runs).toBe(seeds.length);
  expect(reports.length).toBeGreaterThan(1);
});

test('runSeeds reports each failing run, with its seed', async () => {
  const failed: RunOutcome[] = [];
  const left = ['a', 'b'];
  await runSeeds({
    next: () => left.shift(),
    run: (seed) =>
      simulate(drawScenario(seed, { workers: 1, states: 1 }), {
        faults: (_process, call) => (call === 1 ? MISTAKE : undefined),
      }),
    report: () => undefined,
    onFailure: (outcome) => failed.push(outcome),
  });
  expect(failed.map(({ seed, verdict }) => [seed, verdict])).toEqual([
    ['a', 'crash'],
    ['b', 'crash'],
  ]);
});
