/** Replay: the same seed gives the same run, event by event, in any process. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drawScenario } from '../../src/sim/scenario.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { traceOf, tracesOf } from './trace.ts';

const SEEDS = Array.from({ length: 40 }, (_, index) => String(index + 1));

test('the same seed gives the same trace, in this process and in another', async () => {
  const once = await tracesOf(SEEDS);
  expect(await tracesOf(SEEDS)).toEqual(once);
  const elsewhere = execFileSync(process.execPath, [
    join(import.meta.dirname, 'trace.ts'),
    ...SEEDS,
  ]);
  expect(JSON.parse(elsewhere.toString())).toEqual(once);
  expect(new Set(once).size).toBe(SEEDS.length);
});

test('earlier runs do not change a trace', async () => {
  const [alone] = await tracesOf(['17']);
  expect((await tracesOf(['3', '4', '17']))[2]).toBe(alone);
});

test('concurrent runs do not change their traces', async () => {
  const inTurn = await tracesOf(['21', '22']);
  expect(await Promise.all([traceOf('21'), traceOf('22')])).toEqual(inTurn);
});

test('tracing does not change a run', async () => {
  for (const seed of SEEDS.slice(0, 10)) {
    const watched = await simulate(drawScenario(seed), { trace: () => undefined });
    expect(await simulate(drawScenario(seed))).toEqual(watched);
  }
});

test('a run with `only` all its faults is the same; with none, another', async () => {
  let changed = 0;
  for (const seed of SEEDS.slice(0, 20)) {
    const scenario = drawScenario(seed);
    const whole = await simulate(scenario);
    const only = new Set([...whole.injected.map(({ id }) => id), 'tick faults']);
    expect(await simulate(scenario, { only })).toEqual(whole);
    const none = await simulate(scenario, { only: new Set() });
    expect(none.injected).toEqual([]);
    if (none.events !== whole.events) changed += 1;
  }
  expect(changed).toBeGreaterThan(5);
});
