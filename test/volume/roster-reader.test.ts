/** When the flags in `workers/` are read, and when what they said is kept. */
import { describe, expect, test } from 'vitest';
import type { Files, Sink } from '../../src/volume/files.ts';
import { Layout } from '../../src/volume/layout.ts';
import { RosterReader } from '../../src/volume/roster-reader.ts';
import { formatToken } from '../../src/volume/token.ts';

const SETTLED_MS = 1000;

const flag = (worker: string): string =>
  formatToken({
    flockwork: 1,
    session: `${worker}.aaaaaaaa`,
    worker,
    host: 'host',
    pid: 1,
    started: '2026-01-01T00:00:00.000Z',
    concurrency: 2,
    capacity: 10,
    machines: [],
  });

interface Given {
  readonly reader: RosterReader;
  /** Sets flags, by name, and the directory's mtime. */
  readonly set: (flags: Readonly<Record<string, string>>, mtime: number) => void;
  readonly pause: () => void;
  readonly pass: (ms: number) => void;
  readonly reads: () => number;
}

function given(settledMs: number = SETTLED_MS): Given {
  const layout = new Layout('/volume');
  let flags: Readonly<Record<string, string>> = {};
  let [mtime, now, reads, isPaused] = [0, 0, 0, false];
  const files = {
    stat: async (path: string) => {
      if (path === layout.paused) return !isPaused ? undefined : { kind: 'file', mtime: 0 };
      return { kind: 'directory', mtime };
    },
    list: async (_directory: string, into: Sink) => {
      for (const name of Object.keys(flags)) into.push(name);
      return into;
    },
    read: async (path: string) => {
      reads += 1;
      return new TextEncoder().encode(flags[path.slice(path.lastIndexOf('/') + 1)]);
    },
  } as unknown as Files;
  return {
    reader: new RosterReader(files, layout, settledMs, () => now),
    set: (...next) => void ([flags, mtime] = next),
    pause: () => void (isPaused = true),
    pass: (ms) => void (now += ms),
    reads: () => reads,
  };
}

const namesOf = async ({ reader }: Given): Promise<string[]> =>
  (await reader.read()).roster.map(({ name }) => name);

describe('RosterReader', () => {
  test('reads no flag again once the directory has rested', async () => {
    const one = given();
    one.set({ ant: flag('ant'), bee: flag('bee') }, 1);
    await one.reader.read();
    one.pass(SETTLED_MS - 1);
    await one.reader.read();
    expect(one.reads()).toBe(4);
    one.pass(1);
    await one.reader.read();
    expect(one.reads()).toBe(6);
    one.pass(1);
    expect(await namesOf(one)).toEqual(['ant', 'bee']);
    expect(one.reads()).toBe(6);
  });

  test('reads again when the directory has changed', async () => {
    const one = given();
    one.set({ ant: flag('ant') }, 1);
    await one.reader.read();
    one.pass(SETTLED_MS);
    await one.reader.read();
    one.set({ ant: flag('ant'), bee: flag('bee') }, 2);
    expect(await namesOf(one)).toEqual(['ant', 'bee']);
    // Within a coarse time stamp it may have changed once more.
    one.set({ bee: flag('bee') }, 2);
    expect(await namesOf(one)).toEqual(['bee']);
  });

  test('tells of a pause while it keeps the roster', async () => {
    const one = given();
    one.set({ ant: flag('ant') }, 1);
    await one.reader.read();
    one.pass(SETTLED_MS);
    await one.reader.read();
    one.pause();
    expect(await one.reader.read()).toMatchObject({ roster: [{ name: 'ant' }], paused: true });
    expect(one.reads()).toBe(2);
  });

  test.each([
    ["another program's flag is there", { ant: flag('ant'), old: '' }, SETTLED_MS, 6],
    ['listings may be stale', { ant: flag('ant') }, Number.POSITIVE_INFINITY, 3],
  ])('keeps nothing when %s', async (_when, flags, settledMs, reads) => {
    const one = given(settledMs);
    one.set(flags, 1);
    for (let look = 0; look < 3; look += 1) {
      await one.reader.read();
      one.pass(SETTLED_MS);
    }
    expect(one.reads()).toBe(reads);
  });
});
