/** The probes on a real directory, with peers in this process, and on directories with injected faults. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examine, examineQuickly, type Subject } from '../../src/doctor/examine.ts';
import { isFit, judge } from '../../src/doctor/judge.ts';
import { nodeHost, startPeerProcess } from '../../src/doctor/node-host.ts';
import { answer } from '../../src/doctor/peer.ts';
import type { HostPorts } from '../../src/doctor/bench.ts';
import type { LinkAttempt, Peer } from '../../src/doctor/peer.ts';
import { tally } from '../../src/doctor/peer-probes.ts';
import { scratchName } from '../../src/doctor/bench.ts';
import type { Clock } from '../../src/engine/ports.ts';
import type { Files } from '../../src/volume/files.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { errno, interceptFiles } from '../volume/harness.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
};

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'flockwork-doctor-test-'))));
afterEach(() => {
  expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([]);
  rmSync(directory, { recursive: true });
});

const subject = (more: Partial<Subject> = {}): Subject => ({
  directory,
  through: [],
  scratch: scratchName(Math.random),
  stop: new AbortController().signal,
  progress: () => undefined,
  ...more,
});

/** Peers in this process that use these files one after the other. */
const localPeer =
  (files: Files): (() => Peer) =>
  () => ({
    ask: (request) => answer({ files, clock, waitUntil: async () => undefined }, request),
    stop: () => undefined,
  });

type Ports = { files: Files; clock: Clock; host: HostPorts };
const portsOf = (files: Files, host: HostPorts = nodeHost): Ports => ({ files, clock, host });

/** The verdict on `property` for files with the faults of `intercept`. */
async function verdictOf(
  property: string,
  intercept: Parameters<typeof interceptFiles>[1],
): Promise<string | undefined> {
  const { files } = interceptFiles(new NodeFiles(), intercept);
  const { measured } = await examine(portsOf(files), localPeer(files), subject());
  return judge(measured).find((one) => one.property === property)?.verdict;
}

test('measures everything on a sound directory with real processes', async () => {
  const doings: string[] = [];
  const { measured, skipped } = await examine(
    // Peers use the monotonic clock, which all processes share.
    {
      ...portsOf(new NodeFiles()),
      clock: { ...clock, monotonic: () => Number(process.hrtime.bigint()) / 1e6 },
    },
    startPeerProcess,
    subject({ progress: (doing) => doings.push(doing) }),
  );
  expect(skipped).toEqual([]);
  expect(judge(measured).filter(({ verdict }) => verdict === 'bad')).toEqual([]);
  expect(measured.race).toMatchObject({ processes: 6, mounts: 1, twoWinners: 0, noWinner: 0 });
  expect(measured.race!.rounds).toBeGreaterThan(0);
  expect(measured.links).toEqual({ errno: undefined, refusal: 'EEXIST', kept: true, count: 2 });
  expect(measured.latency!.map(({ operation }) => operation)).toContain('fsync directory');
  expect(measured.visibility!.longest.listing).toBeLessThan(Infinity);
  expect(doings).toContain('what time is it there');
});

test('uses a second mount of the same directory for race and visibility', async () => {
  const files = new NodeFiles();
  const { measured } = await examine(
    portsOf(files),
    localPeer(files),
    subject({ through: [`${directory}/.`] }),
  );
  expect(measured.race).toMatchObject({ mounts: 2, twoWinners: 0 });
  expect(measured.stamps!.offsets).toHaveLength(2);
  expect(measured.visibility!.mounts).toBe(2);
});

test('finds the stale listing of a mount that also writes', async () => {
  const KEPT = 250;
  const kept = new Map<string, { at: number; names: unknown }>();
  const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
    const [path = ''] = args;
    // The mount sees its own changes.
    if (method === 'create') kept.delete(path.slice(0, path.lastIndexOf('/')));
    if (method !== 'list' || !path.includes('/./')) return act();
    const known = kept.get(path);
    if (known !== undefined && clock.monotonic() - known.at < KEPT) return known.names;
    const names = await act();
    kept.set(path, { at: clock.monotonic(), names });
    return names;
  });
  const { measured } = await examine(
    portsOf(files),
    localPeer(files),
    subject({ through: [`${directory}/.`] }),
  );
  const { listing, stat } = measured.visibility!.longest;
  expect(listing).toBeGreaterThan(KEPT / 2);
  expect(stat).toBeLessThan(Infinity);
});

test('throws no-volume for a mount of another directory', async () => {
  const other = join(directory, 'other');
  mkdirSync(other);
  let passed = 0;
  const hasty: Clock = {
    ...clock,
    monotonic: () => clock.monotonic() + passed,
    sleep: async (ms) => void (passed += ms),
  };
  const files = new NodeFiles();
  const examining = examine(
    { ...portsOf(files), clock: hasty },
    localPeer(files),
    subject({ through: [other] }),
  );
  await expect(examining).rejects.toMatchObject({
    code: 'no-volume',
    message: expect.stringContaining('--through'),
  });
});

describe('finds', () => {
  test('a link that is granted twice', async () => {
    const generous = async (
      _call: number,
      method: keyof Files,
      _args: readonly string[],
      act: () => Promise<unknown>,
    ): Promise<unknown> => (method === 'link' ? act().catch(() => undefined) : act());
    expect(await verdictOf('hard links', generous)).toBe('bad');
    expect(await verdictOf('exclusive in a race', generous)).toBe('bad');
  });

  test('a link that sometimes replaces the name', async () => {
    const replacing = async (
      call: number,
      method: keyof Files,
      args: readonly string[],
      act: () => Promise<unknown>,
    ): Promise<unknown> => {
      if (method !== 'link' || !args[1]!.includes('/race/') || call % 50 > 0) return act();
      await new NodeFiles().unlink(args[1]!).catch(() => undefined);
      return act();
    };
    expect(await verdictOf('exclusive in a race', replacing)).toBe('bad');
  });

  test.each(['ENOTSUP', 'EPERM'])('missing hard links: %s', async (code) => {
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (method === 'link') throw errno(code);
      return act();
    });
    const { measured } = await examine(portsOf(files), localPeer(files), subject());
    expect(measured.race).toBeUndefined();
    expect(measured.links!.errno).toBe(code);
    expect(measured.latency!.map(({ operation }) => operation)).not.toContain('link');
  });

  test('altered content and a clock that stands still in 1601', async () => {
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      if (method === 'read' && args[0]!.endsWith('durable')) return new Uint8Array(3);
      const stat = await act();
      return method === 'stat' && stat !== undefined
        ? { ...stat, mtime: -11_644_473_600_000 }
        : stat;
    });
    const { measured } = await examine(portsOf(files), localPeer(files), subject());
    const bad = judge(measured).filter(({ verdict }) => verdict === 'bad');
    expect(bad.map(({ property }) => property)).toEqual(['written content', 'its clock']);
  });

  test('a low link limit', async () => {
    const many = async (
      _call: number,
      method: keyof Files,
      args: readonly string[],
      act: () => Promise<unknown>,
    ): Promise<unknown> => {
      if (method === 'link' && args[1]!.endsWith('/links/47')) throw errno('EMLINK');
      return act();
    };
    expect(await verdictOf('names of one file', many)).toBe('warning');
  });

  test('other results in spite of a failing operation', async () => {
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (method === 'overwrite') throw errno('EIO');
      return act();
    });
    const { measured, skipped } = await examine(portsOf(files), localPeer(files), subject());
    expect(skipped.map(({ why }) => why)).toEqual(['EIO', 'EIO']);
    expect(measured.stamps).toBeUndefined();
    expect(measured.race).toBeDefined();
  });

  test('a full disk: skips probes and is not fit', async () => {
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, args, act) => {
      const isOwn = method === 'makeDirectory' && /doctor-\w+$/.test(args[0]!);
      if (['makeDirectory', 'create'].includes(method) && !isOwn) throw errno('ENOSPC');
      return act();
    });
    const { measured, skipped } = await examine(portsOf(files), localPeer(files), subject());
    expect(isFit(measured)).toBe(false);
    expect(new Set(skipped.map(({ why }) => why))).toEqual(new Set(['ENOSPC']));
    expect(skipped.map(({ what }) => what)).toContain('several processes race for the same names');
  });

  test('a directory that is not writable', async () => {
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (method === 'makeDirectory') throw errno('EROFS');
      return act();
    });
    const { measured } = await examineQuickly(portsOf(files), subject());
    expect(judge(measured).map(({ property, verdict }) => [property, verdict])).toEqual([
      ['file system', 'good'],
      ['writable', 'bad'],
    ]);
  });
});

test('stops on a signal and removes its directory', async () => {
  const stop = new AbortController();
  const files = new NodeFiles();
  const progress = (doing: string): void => {
    if (doing.includes('race')) stop.abort();
  };
  const examining = examine(
    portsOf(files),
    startPeerProcess,
    subject({ stop: stop.signal, progress }),
  );
  await expect(examining).rejects.toThrow('aborted');
});

test('examineQuickly measures what a first worker needs', async () => {
  const { measured, skipped } = await examineQuickly(portsOf(new NodeFiles()), subject());
  expect(skipped).toEqual([]);
  expect(Object.keys(measured).sort()).toEqual(
    ['fileSystem', 'writable', 'links', 'durable', 'listing', 'stamps'].sort(),
  );
});

describe('tally', () => {
  const attempt = (won: boolean, begin: number, end: number): LinkAttempt => ({
    won,
    errno: won ? undefined : 'EEXIST',
    begin,
    end,
  });

  test('counts winners, refusals and overlapping attempts', () => {
    const outcomes = [
      [attempt(true, 0, 2), attempt(false, 1, 3)],
      [attempt(true, 0, 1), attempt(false, 1, 2)],
      [attempt(true, 5, 9), attempt(true, 6, 7)],
      [attempt(false, 5, 6), attempt(false, 7, 8)],
    ];
    expect(tally(outcomes)).toEqual({
      rounds: 4,
      contested: 2,
      twoWinners: 1,
      noWinner: 1,
      refusals: { EEXIST: 4 },
    });
  });
});
