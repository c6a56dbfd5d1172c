/** Random faults, decided for each operation independently. */
import { expect, test } from 'vitest';
import {
  FAULT_KINDS,
  randomFaults,
  REFUSAL_ERRNOS,
  type Fault,
  type FaultKind,
  type FaultSource,
  type Method,
} from '../../src/sim/faults.ts';
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';

const LIMITS = { cache: 100, duplicate: 200, slow: 300 };
const CALLS = 20_000;
const PATH = '/volume/done/x.state';

function faultsFor(source: FaultSource, method: Method): Fault[] {
  return Array.from({ length: CALLS }, (_, call) => source('w0', call + 1, method, PATH)).filter(
    (fault) => fault !== undefined,
  );
}

test('the same seed gives the same faults, in any order of calls', () => {
  const rates = { lost: 0.1, slow: 0.1 };
  const source = randomFaults('7', rates, LIMITS);
  const forwards = Array.from({ length: 500 }, (_, call) => source('w1', call, 'link', PATH));
  const again = randomFaults('7', rates, LIMITS);
  const backwards = Array.from({ length: 500 }, (_, call) => again('w1', 499 - call, 'link', PATH));
  expect(backwards.toReversed()).toEqual(forwards);
  const other = randomFaults('8', rates, LIMITS);
  expect(Array.from({ length: 500 }, (_, call) => other('w1', call, 'link', PATH))).not.toEqual(
    forwards,
  );
  expect(Array.from({ length: 500 }, (_, call) => source('w2', call, 'link', PATH))).not.toEqual(
    forwards,
  );
});

const FOR: readonly (readonly [FaultKind, Method])[] = [
  ['lost', 'link'],
  ['refused', 'sync'],
  ['duplicate', 'rename'],
  ['slow', 'list'],
  ['stale', 'read'],
  ['crash-before', 'unlink'],
  ['crash-after', 'link'],
  ['power', 'create'],
];

test('the table has every kind', () => {
  expect(FOR.map(([kind]) => kind)).toEqual(FAULT_KINDS);
});

test.each(FOR)('%s occurs at the given rate', (kind, method) => {
  const faults = faultsFor(randomFaults('rate', { [kind]: 0.1 }, LIMITS), method);
  expect(faults.every((fault) => fault.kind === kind)).toBe(true);
  expect(Math.abs(faults.length - CALLS / 10)).toBeLessThan(CALLS / 50);
});

test.each<[FaultKind, Method]>([
  // A lost reply to a question is a refusal, not another answer.
  ['lost', 'read'],
  ['lost', 'sync'],
  // A network does not send these twice.
  ['duplicate', 'append'],
  // Only reads are cached.
  ['stale', 'link'],
])('%s does not apply to %s', (kind, method) => {
  expect(faultsFor(randomFaults('not', { [kind]: 0.5 }, LIMITS), method)).toEqual([]);
});

test('only paths with the cached prefix are stale', () => {
  const source = randomFaults('cached', { stale: 0.5 }, { ...LIMITS, cached: '/volume/done/' });
  const staleAt = (path: string): number =>
    Array.from({ length: 100 }, (_, call) => source('w0', call, 'read', path)).filter(Boolean)
      .length;
  expect(staleAt(PATH)).toBeGreaterThan(20);
  expect(staleAt('/volume/x.state')).toBe(0);
});

test('faults stay within their limits and use all errnos', () => {
  const rates = { refused: 0.2, slow: 0.2, duplicate: 0.2 };
  const faults = faultsFor(randomFaults('sorts', rates, LIMITS), 'link');
  const errnos = new Set(faults.flatMap((one) => (one.kind === 'refused' ? [one.errno] : [])));
  expect(errnos).toEqual(new Set(REFUSAL_ERRNOS));
  for (const fault of faults) {
    if (fault.kind === 'slow') expect(fault.delay).toBeLessThan(LIMITS.slow);
    if (fault.kind === 'duplicate') expect(fault.delay).toBeLessThan(LIMITS.duplicate);
  }
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(Object.keys(rates)));
});

test('leaving out one fault keeps all earlier ones', async () => {
  let left = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const scenario = drawScenario(String(seed));
    const { injected } = await simulate(scenario);
    const ids = injected.map(({ id }) => id);
    // A crash may belong to a scheduled ambush, which is another id.
    const middle = Math.floor(ids.length / 2);
    const index = injected.findIndex(({ kind }, at) => at >= middle && kind !== 'crash-after');
    if (index < 1) continue;
    left += 1;
    const only = new Set([...ids.filter((id) => id !== ids[index]), 'tick faults']);
    const without = await simulate(scenario, { only });
    expect(without.injected.slice(0, index)).toEqual(injected.slice(0, index));
    expect(without.injected.map(({ id }) => id)).not.toContain(ids[index]);
  }
  expect(left).toBeGreaterThan(5);
});
