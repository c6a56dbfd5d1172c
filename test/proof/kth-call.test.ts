/** The trials of `sim/kth-call.test.ts` on variants of its run. */
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

/** The small run with other options. */
const variant = (change: Partial<Scenario['hosts'][number]['options']>): Scenario => ({
  ...SMALL,
  hosts: SMALL.hosts.map((host) => ({ ...host, options: { ...host.options, ...change } })),
});

describe.each([
  ['without following', variant({ follow: false })],
  [
    'with EPERM for a name that exists and a limit of three links',
    variant({ taken: 'EPERM', maxLinks: 3 }),
  ],
])('the small run, %s', (_, scenario) => {
  test('finishes when any one call fails in any way', async () => {
    const trials = await allFailures(scenario);
    console.log(`${trials.length} runs`);
    expect(trials.length).toBeGreaterThan(1000);
    expect(await failuresOf(trials)).toEqual([]);
  });

  test('finishes after a power cut at any time, with any loss', async () => {
    const trials = await powerCuts(scenario, [0, 0.5, 1]);
    console.log(`${trials.length} power cuts`);
    expect(trials.length).toBeGreaterThan(100);
    expect(await failuresOf(trials)).toEqual([]);
  });
});

/** Where a crash has a visible effect. */
const CRASH_METHODS: readonly Method[] = ['link', 'rename', 'unlink', 'sync', 'append'];
/** The first crash is at every seventh call: all pairs would take minutes. */
const CRASH_STRIDE = 7;
const SECOND_FAULTS: readonly Fault[] = [
  { kind: 'refused', errno: 'EIO' },
  { kind: 'crash-before' },
  { kind: 'crash-after' },
  { kind: 'power' },
];

test('finishes when a restarted worker meets a second fault', async () => {
  const first = (await operationsOf(SMALL)).filter(
    ({ process, method }) => process === 'w0' && CRASH_METHODS.includes(method),
  );
  const some = first.filter((_, index) => index % CRASH_STRIDE === 0);
  let runs = 0;
  for (const operation of some) {
    const crash = { ...operation, fault: { kind: 'crash-after' } } as const;
    const second = await operationsOf(SMALL, (process) => process === 'w0.2', crash);
    const trials = second.flatMap((one) =>
      SECOND_FAULTS.map((fault) => failing(SMALL, crash, { ...one, fault })),
    );
    runs += trials.length;
    expect(await failuresOf(trials)).toEqual([]);
  }
  console.log(`${runs} runs`);
  expect(runs).toBeGreaterThan(1000);
});
