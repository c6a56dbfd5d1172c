/** Workers on the memory engine, in virtual time: many seeds, each of which gives the same run every time. */
import { describe, expect, test } from 'vitest';
import { drawEngineScenario } from '../../src/sim/engine-scenario.ts';
import { simulateEngine } from '../../src/sim/engine-simulation.ts';
import { MEMORY } from '../../src/sim/engine-under-test.ts';
import type { RunOutcome } from '../../src/sim/outcome.ts';
import { runSeed, type SeedWork } from '../../src/sim/campaign.ts';
import { shrink } from '../../src/sim/shrink.ts';

const WORK: SeedWork = { engine: 'memory', wishes: {} };
const SEEDS = Array.from({ length: 200 }, (_, index) => String(index + 1));

async function traced(seed: string): Promise<[RunOutcome, string[]]> {
  const lines: string[] = [];
  return [await runSeed(seed, WORK, { trace: (line) => lines.push(line) }), lines];
}

describe('runs on the memory engine', () => {
  test('keep every promise, with all kinds of faults', async () => {
    const found: string[] = [];
    const kinds = new Set<string>();
    let commits = 0;
    for (const seed of SEEDS) {
      const outcome = await runSeed(seed, WORK);
      commits += outcome.commits;
      for (const kind of Object.keys(outcome.faults)) kinds.add(kind);
      if (outcome.verdict !== 'ok') found.push(`${seed}: ${outcome.message}`);
    }
    expect(found).toEqual([]);
    expect(commits).toBeGreaterThan(10 * SEEDS.length);
    const calls = ['lost', 'refused', 'slow'];
    const processes = ['kill', 'stop', 'suspend', 'twin', 'tick that kills', 'tick that blocks'];
    const users = ['submit', 'submit file', 'send', 'lamp', 'tree', 'retry', 'pause'];
    expect([...kinds].toSorted()).toEqual([...calls, ...processes, ...users].toSorted());
  });

  test('go on with a worker that looked before the user had submitted anything', async () => {
    expect(await runSeed('146445732', WORK)).toMatchObject({ verdict: 'ok' });
  });

  test('are the same each time, traced or not', async () => {
    const traces = new Set<string>();
    for (const seed of SEEDS.slice(0, 20)) {
      const [outcome, lines] = await traced(seed);
      expect(await traced(seed)).toEqual([outcome, lines]);
      expect(await runSeed(seed, WORK)).toEqual(outcome);
      traces.add(lines.join('\n'));
    }
    expect(traces.size).toBe(20);
  });

  test('with only their own faults are the same; with none, nothing is injected', async () => {
    for (const seed of SEEDS.slice(0, 10)) {
      const whole = await runSeed(seed, WORK);
      const only = new Set([...whole.injected.map(({ id }) => id), 'tick faults']);
      expect(await runSeed(seed, WORK, { only })).toEqual(whole);
      expect((await runSeed(seed, WORK, { only: new Set() })).injected).toEqual([]);
    }
  });

  test('inject only the faults that an engine must stand', () => {
    const drawn = SEEDS.map((seed) => drawEngineScenario(seed, {}, new Set(['slow'])).rates);
    expect(drawn.some(({ slow }) => slow !== undefined)).toBe(true);
    expect(drawn.every((rates) => Object.keys(rates).every((kind) => kind === 'slow'))).toBe(true);
  });
});

describe('an engine that breaks a promise', () => {
  /** Does not know the holds that it handed out. */
  const forgetful: typeof MEMORY = {
    ...MEMORY,
    open: async (ports) => {
      const store = await MEMORY.open(ports);
      const join: typeof store.engine.join = async (worker) => {
        const session = await store.engine.join(worker);
        const take = session.take.bind(session);
        session.take = async (...args) => {
          const taken = await take(...args);
          return taken === 'drained' ? taken : taken.map((task) => ({ ...task }));
        };
        return session;
      };
      return { ...store, engine: { ...store.engine, join } };
    },
  };

  test('is found, and shrunk to the faults that it needs', async () => {
    const scenario = drawEngineScenario('1', {}, MEMORY.callFaults);
    const failed = await simulateEngine(scenario, forgetful);
    expect(failed).toMatchObject({ verdict: 'safety', message: expect.stringMatching(/^I6: /) });
    const { only, outcome } = await shrink(
      (record) => simulateEngine(scenario, forgetful, record),
      failed,
    );
    expect([only, outcome.verdict]).toEqual([[], failed.verdict]);
  });
});
