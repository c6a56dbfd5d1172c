/** Shrinking keeps the faults that the failure needs. */
import { expect, test } from 'vitest';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import type { FaultSource } from '../../src/sim/faults.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { SMALL } from './small-run.ts';

/** A bug: no worker expects an error without an errno. */
const MISTAKE = { kind: 'refused', errno: undefined as unknown as string } as const;

const harmless: FaultSource = (_process, call) => {
  if (call % 5 === 0) return { kind: 'slow', delay: 3 };
  return call % 7 === 0 ? { kind: 'duplicate', delay: 3 } : undefined;
};

/** Harmless faults, and the bug at one call. */
const harmful: FaultSource = (process, call, ...what) =>
  process === 'w1' && call === 3 ? MISTAKE : harmless(process, call, ...what);

test('shrink leaves the one fault that causes the failure', async () => {
  const failed = await simulate(SMALL, { faults: harmful });
  expect(failed.verdict).toBe('crash');
  const left: number[] = [];
  const { only, outcome, runs } = await shrink(
    (record) => simulate(SMALL, { faults: harmful, ...record }),
    failed,
    (many) => left.push(many),
  );
  expect(failed.injected.length).toBeGreaterThan(only.length);
  expect(only.map(({ id }) => id)).toEqual(['w1#3']);
  expect(outcome.verdict).toBe('crash');
  expect(outcome.injected.map(({ id }) => id)).toEqual(['w1#3']);
  expect(left.at(-1)).toBe(1);
  expect(left).toEqual(left.toSorted((a, b) => b - a));
  expect(runs).toBeGreaterThanOrEqual(left.length);
  const again = await simulate(SMALL, { faults: harmful, only: new Set(['w1#3']) });
  expect(again).toEqual(outcome);
});

test('shrink leaves no fault when the failure needs none', async () => {
  const tick = (): never => {
    throw new Error('not today');
  };
  const chain = { tick, retry: { maximumAttempts: 1000, initialInterval: 1e9 } };
  const never = machine({ name: 'chain', activities: { chain } });
  const options = { faults: harmless, own: { registry: createRegistry([never]) } };
  const failed = await simulate(SMALL, options);
  expect(failed.verdict).toBe('liveness');
  expect(failed.injected.length).toBeGreaterThan(10);
  const { only, outcome } = await shrink(
    (record) => simulate(SMALL, { ...options, ...record }),
    failed,
  );
  expect(only).toEqual([]);
  expect([outcome.verdict, outcome.injected]).toEqual(['liveness', []]);
});
