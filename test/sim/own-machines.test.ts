/** `simulate` of `flockwork/testing`: a user's machines under faults. */
import { describe, expect, test } from 'vitest';
import { done, fork, machine, next, same } from '../../src/index.ts';
import { simulate, type SimulateOptions } from '../../src/testing/index.ts';

const count = machine({
  name: 'count',
  activities: {
    count: async ({ payload, pause }) => {
      await pause(200);
      const { left } = payload as { left: number };
      return left === 0 ? done('counted') : next('count', { left: left - 1 });
    },
    pair: () =>
      fork(
        {
          one: { state: 'count', payload: { left: 0 } },
          two: { state: 'count', payload: { left: 1 } },
        },
        { state: 'both' },
      ),
    both: ({ outputs }) => done(outputs),
  },
});
const door = machine({
  name: 'door',
  states: ['shut', 'open'],
  events: ['push', 'close'],
  initial: 'shut',
  table: { shut: { push: 'open', close: same }, open: { push: same, close: 'shut' } },
  after: { open: { '5s': 'close' } },
});
const WORK = {
  machines: [count, door],
  instances: {
    three: { machine: 'count', payload: { left: 3 } },
    pair: { machine: 'count', state: 'pair' },
    front: { machine: 'door' },
  },
  events: [{ to: 'front', event: 'push' }],
  seeds: 12,
} as const satisfies SimulateOptions;

describe.each(['memory', 'volume'] as const)('simulate on %s', (engine) => {
  test('passes the end of each instance to check, branches and timers included', async () => {
    let checks = 0;
    const result = await simulate({
      ...WORK,
      engine,
      check: (ends) => {
        checks += 1;
        expect([...ends.keys()].toSorted()).toEqual(
          ['front', 'pair', 'pair~0~one', 'pair~0~two', 'three'].toSorted(),
        );
        expect(ends.get('three')).toMatchObject({ flag: 'done', output: 'counted' });
        const output = { one: 'counted', two: 'counted' };
        expect(ends.get('pair')).toMatchObject({ flag: 'done', state: 'both', output });
        // Its timer has shut it again.
        expect(ends.get('front')).toMatchObject({ flag: 'waiting', state: 'shut' });
      },
    });
    expect(result.findings).toEqual([]);
    expect(checks).toBe(12);
    expect(result.runs).toBe(12);
    expect(result.commits).toBeGreaterThan(12 * 8);
    expect(Object.keys(result.faults).length).toBeGreaterThan(3);
  });

  test('finds what check throws, with the seed that repeats it', async () => {
    // Loses count of the attempts: a promise that no engine makes for it.
    let ticks = 0;
    const fragile = machine({
      name: 'fragile',
      activities: {
        fragile: async ({ attempt, pause }) => {
          ticks += 1;
          await pause(3000);
          return done(attempt);
        },
      },
    });
    const options: SimulateOptions = {
      machines: [fragile],
      instances: Object.fromEntries(
        Array.from({ length: 8 }, (_, index) => [`f${index}`, { machine: 'fragile' }]),
      ),
      engine,
      seeds: 60,
      check: (ends) => {
        for (const [instance, { output }] of ends)
          if (output !== 1) throw new Error(`${instance} was repeated`);
      },
    };
    const { findings } = await simulate(options);
    expect(ticks).toBeGreaterThan(60 * 8);
    expect(findings[0]).toMatchObject({
      verdict: 'safety',
      message: expect.stringMatching(/^check: f\d was repeated$/),
    });
    expect(findings[0]!.faults.length).toBeGreaterThan(0);
    const lines: string[] = [];
    const again = await simulate({
      ...options,
      seeds: [findings[0]!.seed],
      trace: (line) => lines.push(line),
    });
    expect(again.findings).toEqual([findings[0]]);
    expect(lines.length).toBeGreaterThan(10);
  });

  test('finds a machine that never ends', async () => {
    const restless = machine({
      name: 'restless',
      activities: {
        restless: async ({ pause }) => {
          await pause(60_000);
          return next('restless');
        },
      },
    });
    const instances = { forever: { machine: 'restless' } };
    const { findings } = await simulate({ machines: [restless], instances, engine, seeds: ['1'] });
    expect(findings).toMatchObject([{ seed: '1', verdict: 'liveness' }]);
  });
});

describe('simulate refuses', () => {
  test('commands, which do not run in virtual time', async () => {
    const shell = machine({ name: 'shell', activities: { shell: { run: 'date' } } });
    const refused = simulate({ machines: [shell], instances: {}, seeds: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'not-simulated' });
  });

  test('invalid instances', async () => {
    const instances = { 'a/b': { machine: 'count' } };
    const refused = simulate({ machines: [count], instances, seeds: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'bad-state' });
  });

  test('payloads that JSON cannot hold', async () => {
    const instances = { a: { machine: 'count', payload: { left: Number.NaN } } };
    const refused = simulate({ machines: [count], instances, seeds: 1 });
    await expect(refused).rejects.toMatchObject({
      code: 'bad-state',
      message: expect.stringContaining('payload.left'),
    });
  });
});
