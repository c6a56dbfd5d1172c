/** Releasing a claim: the session reads the flag first, unless no other session can have expired its lease. */
import { mkdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { VolumeSettlement } from '../../src/volume/operations.ts';
import { ARCHIVE_PAUSE } from '../../src/volume/archiver.ts';
import type { Files } from '../../src/volume/files.ts';
import {
  errno,
  interceptFiles,
  LEASE,
  OPEN,
  quickFiles,
  step,
  TestVolume,
  type TestSession,
} from './harness.ts';

const release = (): VolumeSettlement => step('x.state', { kind: 'release' });

/** `fresh`: listings are never stale. */
const joined = (
  volume: TestVolume,
  worker: string,
  fresh: boolean,
  files?: Files,
): Promise<TestSession> => volume.join(worker, files, undefined, undefined, fresh);

/** File operations on the flag in one release. */
async function callsOf(
  fresh: boolean,
  before: (volume: TestVolume, ant: TestSession) => void,
): Promise<string[]> {
  using volume = await TestVolume.create();
  const calls: string[] = [];
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (path!.endsWith('in_progress/x.state')) calls.push(method);
    return act();
  });
  const ant = await joined(volume, 'ant', fresh, files);
  await ant.session.claim('x.state', OPEN);
  before(volume, ant);
  calls.length = 0;
  await ant.session.settle([release()], OPEN);
  expect(volume.list('in_progress')).toEqual([]);
  return calls;
}

/** The lease is gone at the next heartbeat. */
function breakLease(volume: TestVolume, ant: TestSession): void {
  rmSync(join(volume.dir, '.flockwork/leases', ant.session.token.session));
  ant.beat();
}

test.each([
  ['its lease is fresh', true, () => undefined, ['unlink']],
  [
    'its lease is just young enough',
    true,
    (volume: TestVolume) => volume.pass(0.8 * LEASE),
    ['unlink'],
  ],
  [
    'most of a lease has passed',
    true,
    (volume: TestVolume) => volume.pass(0.9 * LEASE),
    ['read', 'unlink'],
  ],
  ['its host has slept', true, (volume: TestVolume) => volume.sleep(LEASE), ['read', 'unlink']],
  ['its lease was broken', true, breakLease, ['read', 'unlink']],
  ['reads may be stale', false, () => undefined, ['read', 'unlink']],
] as const)('a session releases its claim when %s', async (_what, fresh, before, expected) => {
  expect(await callsOf(fresh, before)).toEqual(expected);
});

describe('a claim that was dropped, and that another session holds now, is not removed', () => {
  test.each([
    ['by a session that was silent', true, (volume: TestVolume) => volume.pass(LEASE)],
    ['by a session whose host slept', true, (volume: TestVolume) => volume.sleep(LEASE)],
    ['by a session whose lease was broken', true, breakLease],
    ['through a cache', false, () => undefined],
  ] as const)('%s', async (_what, fresh, before) => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await joined(volume, 'ant', fresh), await joined(volume, 'bee', fresh)];
    await ant.session.claim('x.state', OPEN);
    unlinkSync(join(volume.dir, 'in_progress/x.state'));
    expect(await bee.session.claim('x.state', OPEN)).toBe('ours');
    before(volume, ant);
    const one = release();
    await ant.session.settle([one], OPEN);
    expect(one.progress).toBe('settled');
    expect(volume.read('in_progress/x.state')).toContain(bee.session.token.session);
  });
});

test.each([true, false])('a claim that is gone counts as released (fresh: %s)', async (fresh) => {
  using volume = await TestVolume.create();
  const ant = await joined(volume, 'ant', fresh);
  const one = release();
  await ant.session.settle([one], OPEN);
  expect(one).toMatchObject({ progress: 'settled', error: undefined });
});

test.each([true, false])(
  'I4: a claim stays when the phase has ended (fresh: %s)',
  async (fresh) => {
    using volume = await TestVolume.create();
    const ant = await joined(volume, 'ant', fresh);
    await ant.session.claim('x.state', OPEN);
    const one = release();
    await ant.session.settle([one], { ...OPEN, canFinish: () => false });
    expect(one.progress).toBe('published');
    expect(volume.list('in_progress')).toEqual(['x.state']);
    await ant.session.settle([one], OPEN);
    expect(volume.list('in_progress')).toEqual([]);
  },
);

test('a state that was never claimed is released without removing another session’s claim', async () => {
  using volume = await TestVolume.create();
  const [ant, bee] = [await joined(volume, 'ant', true), await joined(volume, 'bee', true)];
  expect(await bee.session.claim('x.state', OPEN)).toBe('ours');
  // It has met an error before the link, and is given back when its worker stops.
  const one = release();
  await ant.session.settle([one], OPEN);
  expect(one.progress).toBe('settled');
  expect(volume.read('in_progress/x.state')).toContain(bee.session.token.session);
});

test('a claim that met an error is released only if it is this session’s', async () => {
  using volume = await TestVolume.create();
  let refused = false;
  const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
    if (method !== 'link' || refused || !args[1]!.endsWith('in_progress/x.state')) return act();
    refused = true;
    throw errno('EMLINK');
  });
  const [ant, bee] = [await joined(volume, 'ant', true, files), await joined(volume, 'bee', true)];
  await expect(ant.session.claim('x.state', OPEN)).rejects.toThrow('EMLINK');
  expect(await bee.session.claim('x.state', OPEN)).toBe('ours');
  await ant.session.settle([release()], OPEN);
  expect(volume.list('in_progress')).toEqual(['x.state']);
});

describe('a claim looks into the archive', () => {
  /** After the roster was read: `look` is what the look at `archive/` came to. */
  async function asksArchive(
    fresh: boolean,
    look: 'absent' | 'there' | 'failed',
    before: (volume: TestVolume) => void = () => undefined,
  ): Promise<boolean> {
    using volume = await TestVolume.create();
    let [asked, fails] = [false, false];
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (fails && path!.endsWith('/archive')) throw errno('EIO');
      asked ||= method === 'stat' && path!.includes('/archive/');
      return act();
    });
    const ant = await joined(volume, 'ant', fresh, files);
    await ant.session.readRoster();
    if (look === 'there') mkdirSync(join(volume.dir, 'archive'));
    fails = look === 'failed';
    if (look !== 'absent') await ant.session.readRoster().catch(() => undefined);
    fails = false;
    before(volume);
    expect(await ant.session.claim('x.state', OPEN)).toBe('ours');
    return asked;
  }

  test('unless there is none', async () => {
    expect(await asksArchive(true, 'absent')).toBe(false);
  });

  test.each([
    ['there is one', true, 'there', () => undefined],
    ['the last look met an error', true, 'failed', () => undefined],
    ['listings may be stale', false, 'absent', () => undefined],
    [
      'the last look is as old as half the pause',
      true,
      'absent',
      (volume: TestVolume) => volume.pass(ARCHIVE_PAUSE / 2),
    ],
    [
      'its host has slept since',
      true,
      'absent',
      (volume: TestVolume) => volume.sleep(ARCHIVE_PAUSE / 2),
    ],
  ] as const)('when %s', async (_what, fresh, look, before) => {
    expect(await asksArchive(fresh, look, before)).toBe(true);
  });
});
