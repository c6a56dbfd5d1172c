import { describe, expect, test } from 'vitest';
import type { Io } from '../../src/cli/command.ts';
import { predictScale } from '../../src/cli/scale.ts';
import { resolveSettings } from '../../src/cli/settings.ts';

async function predicted(
  flags: Record<string, unknown>,
  paths: string[] = [],
  stop: AbortSignal = new AbortController().signal,
): Promise<{ status: number; text: string }> {
  let text = '';
  const io: Io = {
    print: (line) => (text += `${line}\n`),
    say: () => undefined,
    data: () => undefined,
    printed: async () => undefined,
    interactive: false,
    draw: undefined,
    screen: undefined,
    environment: {},
    stop,
    confirm: async () => false,
  };
  const settings = resolveSettings({
    flags: { concurrency: 4, ...flags },
    environment: {},
    file: {},
    command: 'simulate',
  });
  return { status: await predictScale(settings, paths, io), text };
}

interface Predicted {
  rows: {
    workers: number;
    states: number;
    operations: number;
    squared: number;
    seconds: number;
    statesPerSecond: number;
    names: number;
  }[];
}

describe('simulate --scale', () => {
  test('has rows for 10 to 10,000 workers and up to 10⁸ states, the same each time', async () => {
    const { status, text } = await predicted({ json: true });
    expect(status).toBe(0);
    const { rows } = JSON.parse(text) as Predicted;
    expect([...new Set(rows.map(({ workers }) => workers))]).toEqual([10, 100, 1000, 10_000]);
    expect(new Set(rows.map(({ states }) => states)).size).toBe(7);
    for (const row of rows) {
      expect(row.operations).toBeGreaterThan(0);
      expect(row.squared).toBeLessThan(row.operations);
      // Nobody ticks faster than his hands allow.
      expect(row.statesPerSecond).toBeLessThanOrEqual(4.4 * row.workers);
      expect(row.seconds).toBeGreaterThanOrEqual(row.states === 0 ? 0 : 1);
    }
    expect(await predicted({ json: true })).toEqual({ status, text });
  });

  test('says the same to people, for the size that they ask for', async () => {
    const { text } = await predicted({ workers: 50, states: 12_345, network: true, tick: '10s' });
    expect(text).toContain('phases 3.0 s 3.0 s 3.0 s, buffers 1.0 s, lease 30.0 s');
    expect(text).toContain('for each state');
    expect(text.trim().split('\n').at(-1)).toMatch(/^ *50 +12,345 /);
  });

  test('where ticks are quick, little work is over at once and has no rate', async () => {
    const { rows } = JSON.parse(
      (await predicted({ json: true, tick: '100ms', workers: 2 })).text,
    ) as Predicted;
    expect(rows.map(({ states }) => states)).toEqual([0, 1e4, 1e5, 1e6, 1e7, 1e8]);
  });

  test('is done with when told to stop', async () => {
    expect((await predicted({}, [], AbortSignal.abort())).status).toBe(3);
  });

  test.each<[Record<string, unknown>, string[], string]>([
    [{}, ['x.state'], 'PATHS: not with --scale'],
    [{ seed: '7', shrink: true }, [], '--seed, --shrink: not with --scale'],
    [{ machines: ['m'], trace: 't' }, [], '--machines, --trace: not with --scale'],
    [{ tick: '99ms' }, [], '--tick has to be 100ms at least'],
    [{ lease: '400ms' }, [], '--lease has to be as long as a cycle at least, 500 ms'],
    [{ buffer: '1ms' }, [], 'the buffer has to last'],
    [{ leaves: 'footprints' }, [], 'one of nothing, output, successor'],
    [{ tick: 'soon' }, [], 'a duration'],
  ])('%j %j is refused', async (flags, paths, words) =>
    expect(predicted(flags, paths)).rejects.toThrow(words),
  );
});
