import { expect, test } from 'vitest';
import type { Files, Sink } from '../../src/volume/files.ts';
import { Layout } from '../../src/volume/layout.ts';
import { Listings, OpenStates } from '../../src/volume/listings.ts';

const LEASE = 10_000;

/** A volume of `open` and `done` states that counts the calls since they were last read. */
function counted(open: number, done: number) {
  const layout = new Layout('/volume');
  const named = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}.state`);
  const root = new Set([...named('open', open), ...named('done', done)]);
  const flags = new Set(named('done', done));
  const asked = { lists: 0, looks: 0 };
  let [now, slowness] = [0, 0];
  let changes = 0;
  const stat = { kind: 'file', size: 1, mode: 0o644 } as const;
  const files = {
    list: async <Into extends Sink>(directory: string, into: Into) => {
      asked.lists += 1;
      now += slowness;
      for (const name of directory === layout.entries ? root : flags) into.push(name);
      return into;
    },
    stat: async (path: string) => {
      // A directory that changes is listed in each call.
      if (path === layout.entries || path === layout.flags('done'))
        return { ...stat, mtime: (changes += 1) };
      asked.looks += 1;
      const [place, name] = [path.includes('/done/') ? flags : root, path.split('/').at(-1)!];
      return place.has(name) ? { ...stat, mtime: 0 } : undefined;
    },
  } as Partial<Files> as Files;
  const states = new OpenStates(
    files,
    layout,
    new Listings(files, LEASE, () => now),
    LEASE,
    () => now,
  );
  return {
    root,
    flags,
    asked,
    pass: (ms: number) => void (now += ms),
    /** Duration of each listing from now on, ms. */
    slow: (ms: number) => void (slowness = ms),
    open: (arrived: readonly string[] | 'unknown' = []) =>
      states.open(arrived === 'unknown' ? undefined : new Set(arrived), new Set()),
  };
}

test('checks few open states among many done ones one by one', async () => {
  const volume = counted(10, 200);
  expect((await volume.open()).size).toBe(10);
  expect(volume.asked).toEqual({ lists: 2, looks: 0 });
  volume.flags.add('open3.state');
  volume.root.add('new.state');
  expect([...(await volume.open(['new.state', 'gone.state', 'done']))]).toHaveLength(10);
  expect(volume.asked.lists).toBe(2);
  expect(volume.asked.looks).toBe(2 + 11);
});

test('lists again if most states are open', async () => {
  const volume = counted(300, 20);
  await volume.open();
  volume.flags.add('open3.state');
  expect((await volume.open()).size).toBe(299);
  expect(volume.asked).toEqual({ lists: 4, looks: 0 });
});

test('lists again the next time after many states have arrived', async () => {
  const volume = counted(10, 200);
  await volume.open();
  const come = Array.from({ length: 50 }, (_, index) => `come${index}.state`);
  for (const name of come) volume.root.add(name);
  expect((await volume.open(come)).size).toBe(60);
  const { lists, looks } = volume.asked;
  expect((await volume.open()).size).toBe(60);
  expect(volume.asked).toEqual({ lists: lists + 2, looks });
});

test('lists everything again when a report may be missing, and once a lease', async () => {
  const volume = counted(10, 200);
  await volume.open();
  volume.root.add('untold.state');
  expect([...(await volume.open())]).not.toContain('untold.state');
  expect([...(await volume.open('unknown'))]).toContain('untold.state');
  volume.root.add('later.state');
  volume.pass(LEASE - 1);
  expect([...(await volume.open())]).not.toContain('later.state');
  volume.pass(1);
  expect([...(await volume.open())]).toContain('later.state');
});

test.each([
  ['spends a hundredth of the time on listings', 200, 40_000],
  ['finds unreported names within ten leases, however slow the volume was once', 4000, 10 * LEASE],
])('%s', async (_what, slowness, until) => {
  const volume = counted(10, 200);
  volume.slow(slowness);
  await volume.open();
  volume.slow(0);
  volume.root.add('untold.state');
  volume.pass(until - 1);
  expect([...(await volume.open())]).not.toContain('untold.state');
  volume.pass(1);
  expect([...(await volume.open())]).toContain('untold.state');
});
