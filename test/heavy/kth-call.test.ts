/** What `sim/kth-call.test.ts` does to one run, done to others like it. */
import { describe, expect, test } from 'vitest';
import type { Scenario } from '../../src/sim/scenario.ts';
import { failing, failuresOf, faultsOf, operationsOf, powerCuts, SMALL } from '../sim/small-run.ts';

/** The same run as others know it. */
const variant = (change: Partial<Scenario['hosts'][number]['options']>): Scenario => ({
  ...SMALL,
  hosts: SMALL.hosts.map((host) => ({ ...host, options: { ...host.options, ...change } })),
});

describe.each([
  ['without following', variant({ follow: false })],
  [
    'where a name that is taken is EPERM, and a file has few names',
    variant({ taken: 'EPERM', maxLinks: 3 }),
  ],
])('the small run, %s', (_, scenario) => {
  test('ends well whichever call fails, and how', async () => {
    const operations = await operationsOf(scenario);
    expect(operations.length).toBeGreaterThan(100);
    const trials = operations.flatMap((one) =>
      faultsOf(one).map((fault) => failing(scenario, one, fault)),
    );
    console.log(`${operations.length} operations, ${trials.length} runs`);
    expect(await failuresOf(trials)).toEqual([]);
  });

  test('ends well whenever the power goes, and whatever it takes along', async () => {
    const trials = await powerCuts(scenario, [0, 0.5, 1]);
    console.log(`${trials.length} power cuts`);
    expect(trials.length).toBeGreaterThan(100);
    expect(await failuresOf(trials)).toEqual([]);
  });
});
