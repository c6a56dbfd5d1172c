/** Many states at a time: what is unusual is left to the general way, and no promise of it is given up. */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { drive } from '../../src/volume/calls.ts';
import type { Files } from '../../src/volume/files.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import type { Claims } from '../../src/volume/operations.ts';
import { openFor } from './queue-bench.ts';
import {
  bareStep,
  CLOSED,
  errno,
  interceptFiles,
  LEASE,
  OPEN,
  quickFiles,
  TestVolume,
  type TestSession,
} from './harness.ts';

const NAMES = ['a.state', 'b.state', 'c.state', 'd.state', 'e.state'];

const joined = (
  volume: TestVolume,
  worker: string,
  files: Files = quickFiles(),
  fresh = true,
): Promise<TestSession> => volume.join(worker, files, undefined, undefined, fresh);

/** A volume with five states, and a session that knows that there is no archive. */
async function given(volume: TestVolume, files?: Files, fresh?: boolean): Promise<TestSession> {
  for (const name of NAMES) volume.put(name);
  const ant = await joined(volume, 'ant', files, fresh);
  await ant.session.readRoster();
  return ant;
}

function claimAll(
  { session }: TestSession,
  guard = OPEN,
  names: readonly string[] = NAMES,
): Promise<Claims> {
  const left = [...names];
  return session.claimMany(() => left.shift(), 100, guard);
}

/** What the general way says of each name. */
async function claimOneByOne(
  { session }: TestSession,
  names: readonly string[],
): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {};
  for (const name of names) outcomes[name] = await session.claim(name, OPEN);
  return outcomes;
}

/** `name` has failed attempts, as the session knows from its last look. */
async function tried(volume: TestVolume, { session }: TestSession, name: string): Promise<void> {
  mkdirSync(join(volume.dir, '.flockwork/attempts', name), { recursive: true });
  volume.put(`.flockwork/attempts/${name}/1`, '');
  await session.readRoster();
}

describe('claimMany', () => {
  test.each([
    ['at once', quickFiles()],
    ['one call at a time', interceptFiles(quickFiles(), async (...[, , , act]) => act()).files],
  ])('claims what is neither claimed nor settled: %s', async (_how, files) => {
    using volume = await TestVolume.create();
    const ant = await given(volume, files);
    expect(await claimAll(ant)).toEqual({ ours: NAMES, unsure: [], others: [] });
    expect(volume.list('in_progress')).toEqual(NAMES);
  });

  test.each([
    ['done', 'finished'],
    ['failed', 'finished'],
    ['in_progress', 'taken'],
  ])('leaves out what has a flag in %s by now', async (flag, outcome) => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    volume.put(`${flag}/b.state`, 'by another');
    const claims = await claimAll(ant);
    expect(claims.unsure).toEqual(['b.state']);
    expect(claims.ours).toHaveLength(4);
    expect(await claimOneByOne(ant, claims.unsure)).toEqual({ 'b.state': outcome });
  });

  test('looks for the failed flag of each of a few', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    volume.put('failed/b.state', '');
    expect(await claimAll(ant, OPEN, ['a.state', 'b.state'])).toEqual({
      ours: ['a.state'],
      unsure: ['b.state'],
      others: [],
    });
  });

  test('looks at failed/ only after its claims: who fails a state releases it afterwards', async () => {
    using volume = await TestVolume.create();
    const { files } = interceptFiles(quickFiles(), async (_call, method, [, name], act) => {
      const result = await act();
      // Another session failed this one before the link, and is seen only now.
      if (method === 'link' && name!.endsWith('in_progress/e.state'))
        volume.put('failed/a.state', '');
      return result;
    });
    const ant = await given(volume, files);
    expect((await claimAll(ant)).unsure).toEqual(['a.state']);
  });

  test('leaves out what is in the archive', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    const flag = volume.layout.archivedFlag('b.state');
    mkdirSync(join(flag, '..'), { recursive: true });
    await ant.session.readRoster();
    linkSync(join(volume.dir, 'a.state'), flag);
    const { ours, unsure } = await claimAll(ant);
    expect({ ours, unsure }).toEqual({
      ours: NAMES.filter((name) => name !== 'b.state'),
      unsure: ['b.state'],
    });
  });

  test('leaves everything to the general way where listings may be stale', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume, quickFiles(), false);
    expect(await claimAll(ant)).toEqual({ ours: [], unsure: [], others: NAMES });
    expect(volume.list('in_progress')).toEqual([]);
  });

  test.each([true, false])(
    'leaves out a claim whose link met an error; it stands if it took effect: %s',
    async (tookEffect) => {
      using volume = await TestVolume.create();
      let isBroken = true;
      const { files } = interceptFiles(quickFiles(), async (_call, method, [, name], act) => {
        if (!isBroken || method !== 'link' || !name!.endsWith('in_progress/b.state')) return act();
        isBroken = false;
        if (tookEffect) await act();
        throw errno('EIO');
      });
      const ant = await given(volume, files);
      const { unsure } = await claimAll(ant);
      expect(unsure).toEqual(['b.state']);
      expect(await claimOneByOne(ant, unsure)).toEqual({ 'b.state': 'ours' });
      expect(volume.list('in_progress')).toEqual(NAMES);
    },
  );

  test('leaves out what was tried before', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    await tried(volume, ant, 'b.state');
    expect((await claimAll(ant)).others).toEqual(['b.state']);
  });

  test('draws no name that it does not claim when the phase ends', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    const left = [...NAMES];
    const claims = await ant.session.claimMany(() => left.shift(), 100, openFor(2));
    expect({ ...claims, left }).toEqual({
      ours: ['a.state', 'b.state'],
      unsure: [],
      others: [],
      left: ['c.state', 'd.state', 'e.state'],
    });
  });
});

describe('readMany', () => {
  async function read(volume: TestVolume, ant: TestSession): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const names = volume.list().filter((name) => name.includes('.state'));
    await ant.session.readMany(names, (name, bytes) => {
      found[name] = new TextDecoder().decode(bytes);
    });
    return found;
  }

  test('reads what is small, and leaves out what is not a plain file', async () => {
    using volume = await TestVolume.create();
    const ant = await joined(volume, 'ant');
    volume.put('a.state-7', 'text');
    volume.put('long.state', 'x'.repeat(4001));
    volume.put('just.state', 'x'.repeat(4000));
    volume.put('ünusual name.state', 'text');
    mkdirSync(join(volume.dir, 'directory.state'));
    symlinkSync(join(volume.dir, 'a.state-7'), join(volume.dir, 'link.state'));
    const found = await read(volume, ant);
    expect(found).toEqual({ 'a.state-7': 'text', 'just.state': 'x'.repeat(4000) });
  });

  test('leaves out what was tried before: its attempts are to be read', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    await tried(volume, ant, 'b.state');
    expect(Object.keys(await read(volume, ant))).toEqual(
      NAMES.filter((name) => name !== 'b.state'),
    );
  });

  test('does not wait for a FIFO, and finds nothing in it', async () => {
    using volume = await TestVolume.create();
    const ant = await joined(volume, 'ant');
    execFileSync('mkfifo', [join(volume.dir, 'fifo.state')]);
    expect((await read(volume, ant))['fifo.state'] ?? '').toBe('');
  });
});

describe('commits without a record', () => {
  async function settled(volume: TestVolume, guard = OPEN, files?: Files): Promise<TestSession> {
    const ant = await given(volume, files);
    await claimAll(ant);
    await ant.session.settle(NAMES.map(bareStep), guard);
    return ant;
  }

  test('set their flags and release their claims', async () => {
    using volume = await TestVolume.create();
    await settled(volume);
    expect([volume.list('done'), volume.list('in_progress')]).toEqual([NAMES, []]);
  });

  test('are not begun in another phase', async () => {
    using volume = await TestVolume.create();
    await settled(volume, CLOSED);
    expect([volume.list('done'), volume.list('in_progress')]).toEqual([[], NAMES]);
  });

  test('keep their claims when the phase has ended after the flags', async () => {
    using volume = await TestVolume.create();
    await settled(volume, { ...OPEN, canFinish: () => false });
    expect([volume.list('done'), volume.list('in_progress')]).toEqual([NAMES, NAMES]);
  });

  test('remove the attempts of what was tried before', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    await claimAll(ant);
    await tried(volume, ant, 'b.state');
    await ant.session.settle(NAMES.map(bareStep), OPEN);
    expect(volume.list('.flockwork/attempts')).toEqual([]);
  });

  test('lose to another session’s commit, and are tried again after an error', async () => {
    using volume = await TestVolume.create();
    let isBroken = true;
    const { files } = interceptFiles(quickFiles(), async (_call, method, [, name], act) => {
      if (!isBroken || method !== 'link' || !name!.endsWith('done/c.state')) return act();
      isBroken = false;
      throw errno('EIO');
    });
    const ant = await given(volume, files);
    await claimAll(ant);
    volume.put('done/b.state', 'by another');
    const steps = NAMES.map(bareStep);
    await ant.session.settle(steps, OPEN);
    expect(steps.map(({ lost }) => lost)).toEqual([false, true, false, false, false]);
    expect(steps.map(({ progress }) => progress)).toEqual(steps.map(() => 'settled'));
    expect([volume.list('done'), volume.list('in_progress')]).toEqual([NAMES, []]);
    expect(volume.read('done', 'b.state')).toBe('by another');
  });

  test('release no claim of another session after this one may have expired', async () => {
    using volume = await TestVolume.create();
    const ant = await given(volume);
    await claimAll(ant);
    volume.pass(LEASE);
    unlinkSync(join(volume.dir, 'in_progress/a.state'));
    volume.put('in_progress/a.state', 'of another session');
    await ant.session.settle(NAMES.map(bareStep), OPEN);
    expect(volume.list('in_progress')).toEqual(['a.state']);
  });
});

describe('drive', () => {
  test('gives the event loop its turn, and an error to the generator', async () => {
    using volume = await TestVolume.create();
    let pauses = 0;
    const real = new NodeFiles({ durable: false }).direct!;
    const pause = (): undefined => {
      pauses += 1;
      return undefined;
    };
    const direct = { ...real, pause };
    const files = { ...quickFiles(), direct } as unknown as Files;
    const errors = await drive(
      files,
      (function* () {
        let count = 0;
        for (let index = 0; index < 64; index += 1) {
          try {
            yield ['read', join(volume.dir, 'absent'), 10];
          } catch {
            count += 1;
            yield ['stat', volume.dir];
          }
        }
        return count;
      })(),
    );
    expect(errors).toBe(64);
    expect(pauses).toBeGreaterThan(0);
  });
});
