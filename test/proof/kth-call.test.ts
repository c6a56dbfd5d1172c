/** What `sim/kth-call.test.ts` does to one run, done to others like it. */
import { describe, expect, test } from 'vitest';
import type { Fault, Method } from '../../src/sim/faults.ts';
import type { Scenario } from '../../src/sim/scenario.ts';
import {
  allFailures,
  failing,
  failuresOf,
  operationsOf,
  powerCuts,
  SMALL,
} from '../sim/small-run.ts';

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
    const trials = await allFailures(scenario);
    console.log(`${trials.length} runs`);
    expect(trials.length).toBeGreaterThan(1000);
    expect(await failuresOf(trials)).toEqual([]);
  });

  test('ends well whenever the power goes, and whatever it takes along', async () => {
    const trials = await powerCuts(scenario, [0, 0.5, 1]);
    console.log(`${trials.length} power cuts`);
    expect(trials.length).toBeGreaterThan(100);
    expect(await failuresOf(trials)).toEqual([]);
  });
});

/** Where it makes a difference to others that somebody ends. */
const TURNS: readonly Method[] = ['link', 'rename', 'unlink', 'sync', 'append'];
/** All pairs would take minutes: every so many calls it ends. */
const STRIDE = 7;
const SECOND: readonly Fault[] = [
  { kind: 'refused', errno: 'EIO' },
  { kind: 'crash-before' },
  { kind: 'crash-after' },
  { kind: 'power' },
];

test('whatever happens to a worker that starts again, after it ended half-way', async () => {
  const first = (await operationsOf(SMALL)).filter(
    ({ process, method }) => process === 'w0' && TURNS.includes(method),
  );
  const some = first.filter((_, index) => index % STRIDE === 0);
  let runs = 0;
  for (const operation of some) {
    const crash = { ...operation, fault: { kind: 'crash-after' } } as const;
    const second = await operationsOf(SMALL, (process) => process === 'w0.2', crash);
    const trials = second.flatMap((one) =>
      SECOND.map((fault) => failing(SMALL, crash, { ...one, fault })),
    );
    runs += trials.length;
    expect(await failuresOf(trials)).toEqual([]);
  }
  console.log(`${runs} runs`);
  expect(runs).toBeGreaterThan(1000);
});
