/** The archive on a real directory: which states move there, which stay, and that none in it runs again. */
import { mkdirSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ArchiveRules } from '../../src/volume/archiver.ts';
import type { Files } from '../../src/volume/files.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { submitState } from '../../src/volume/submit.ts';
import {
  bareStep,
  commitStep,
  errno,
  interceptFiles,
  LEASE,
  OPEN,
  step,
  TestVolume,
  type TestSession,
} from './harness.ts';

const AGE = 3_600_000;
const PAUSE = 600_000;
const RULES: ArchiveRules = { keep: 0, age: AGE, pause: PAUSE };

const archivist = (
  volume: TestVolume,
  rules: Partial<ArchiveRules> = {},
  files: Files = new NodeFiles(),
) => volume.join('keeper', files, ['simple'], { ...RULES, ...rules });

/** After so many cycles, each shard belongs to another session. */
const ROUND_CYCLES = 256;

/** Runs `times` Update System phases, half a pause apart. */
async function work(volume: TestVolume, one: TestSession, times: number): Promise<void> {
  for (let cycle = 0; cycle < times; cycle += 1) {
    volume.pass(PAUSE / 2);
    one.beat();
    await one.session.archive(cycle * ROUND_CYCLES, OPEN, () => false);
  }
}

/** Long enough to archive everything that may be. */
const forLong = (volume: TestVolume, one: TestSession): Promise<void> => work(volume, one, 20);

async function commit(one: TestSession, ...names: string[]): Promise<void> {
  for (const name of names) {
    expect(await one.session.claim(name, OPEN)).toBe('ours');
    const done = bareStep(name);
    await one.session.settle([done], OPEN);
    expect(done.progress).toBe('settled');
  }
}

function archived(volume: TestVolume): string[] {
  const shards = statSync(volume.layout.archive, { throwIfNoEntry: false })
    ? volume.list('archive')
    : [];
  return shards.flatMap((shard) => volume.list('archive', shard, 'done')).sort();
}

describe('a state that was done long ago', () => {
  test('is repaired before it is archived when a power failure has torn it', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', '{"state":"simple"}');
    const one = await archivist(volume);
    const next = { name: 'a.state-1', content: '{"state":"simple"}\n' };
    expect(await one.session.claim('a.state', OPEN)).toBe('ours');
    await one.session.settle([commitStep(one, 'a.state', next)], OPEN);
    await commit(one, 'a.state-1');
    volume.put('a.state-1', '{"sta');
    await forLong(volume, one);
    expect(archived(volume)).toEqual(['a.state', 'a.state-1']);
    const shard = volume.layout.archiveShard('a.state-1').slice(-2);
    expect(volume.read('archive', shard, 'a.state-1')).toBe(next.content);
  });

  test('is archived with its flag, and can be read there', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', '{"state":"simple"}');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    await forLong(volume, one);
    expect(volume.list('done')).toEqual([]);
    expect(volume.list()).not.toContain('a.state');
    const shard = volume.layout.archiveShard('a.state').slice(-2);
    expect(volume.read('archive', shard, 'a.state')).toBe('{"state":"simple"}');
    expect(volume.read('archive', shard, 'done', 'a.state')).toContain(one.session.token.session);
  });

  test('is archived after an hour, and its flag leaves done/ one pause after its state file', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    await work(volume, one, AGE / (PAUSE / 2));
    expect(archived(volume)).toEqual([]);
    await work(volume, one, 1);
    expect(archived(volume)).toEqual(['a.state']);
    expect(volume.list()).not.toContain('a.state');
    await work(volume, one, 1);
    expect(volume.list('done')).toEqual(['a.state']);
    await work(volume, one, 1);
    expect(volume.list('done')).toEqual([]);
  });

  test('is archived in small batches when there is time for few fsyncs only', async () => {
    using volume = await TestVolume.create();
    const names = Array.from({ length: 40 }, (_, index) => `s${index}.state`);
    for (const name of names) volume.put(name);
    let syncs = 0;
    const { files } = interceptFiles(
      new NodeFiles({ durable: false }),
      (_call, method, _args, act) => {
        if (method === 'sync') syncs += 1;
        return act();
      },
    );
    const one = await archivist(volume, {}, files);
    await commit(one, ...names);
    await work(volume, one, AGE / (PAUSE / 2));
    volume.pass(PAUSE / 2);
    one.beat();
    // Fewer than the first batch needs.
    const maxSyncs = 60;
    const left: number[] = [];
    // No time passes, so there is no second listing.
    for (let cycle = 0; cycle < 20; cycle += 1) {
      syncs = 0;
      const canBegin = (): boolean => syncs < maxSyncs;
      await one.session.archive(cycle, { ...OPEN, canBegin }, () => false);
      left.push(volume.list().filter((name) => name.endsWith('.state')).length);
    }
    expect(left[0]).toBe(names.length);
    expect(left.at(-1)).toBe(0);
    expect(archived(volume)).toEqual(names.toSorted());
  });

  test('is archived by its own age when younger states have come since', async () => {
    using volume = await TestVolume.create();
    const one = await archivist(volume);
    const commitAll = async (names: readonly string[]): Promise<void> => {
      for (const name of names) volume.put(name);
      await commit(one, ...names);
      // An mtime in the future: only the listings tell how old a flag is.
      utimesSync(join(volume.dir, 'done'), 3e9, 3e9);
    };
    const named = (prefix: string): string[] =>
      Array.from({ length: 20 }, (_, index) => `${prefix}${index}.state`).sort();
    await commitAll(named('old'));
    await work(volume, one, 7);
    await commitAll(named('new'));
    await work(volume, one, AGE / (PAUSE / 2) - 6);
    expect(archived(volume)).toEqual(named('old'));
  });

  test('counts as old for a new session when done/ has not changed for an hour', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const ant = await volume.join('ant');
    await commit(ant, 'a.state');
    await ant.session.leave();
    const old = (Date.now() - AGE - 10_000) / 1000;
    utimesSync(join(volume.dir, 'done'), old, old);
    const silent = await archivist(volume);
    // A session without a recent clock sample does not trust the volume's time.
    volume.pass(LEASE);
    await silent.session.archive(0, OPEN, () => false);
    expect(archived(volume)).toEqual([]);
    await silent.session.leave();
    const one = await archivist(volume);
    await one.session.archive(0, OPEN, () => false);
    expect(archived(volume)).toEqual(['a.state']);
  });

  test('stays while it is among the newest', async () => {
    using volume = await TestVolume.create();
    const names = Array.from({ length: 10 }, (_, index) => `s${index}.state`);
    const one = await archivist(volume, { keep: 3 });
    for (const [index, name] of names.entries()) {
      volume.put(name);
      const when = 2_000_000_000 + index;
      utimesSync(join(volume.dir, name), when, when);
    }
    await commit(one, ...names);
    await forLong(volume, one);
    expect(volume.list('done')).toEqual(['s7.state', 's8.state', 's9.state']);
    expect(archived(volume)).toEqual(names.slice(0, 7));
  });

  test('is archived by the session that owns its shard', async () => {
    using volume = await TestVolume.create();
    const names = Array.from({ length: 40 }, (_, index) => `s${index}.state`);
    for (const name of names) volume.put(name);
    const one = await archivist(volume);
    const other = await volume.join('other', new NodeFiles(), ['simple'], RULES);
    await commit(one, ...names);
    const moved = [0, 0];
    for (let cycle = 0; cycle < 20; cycle += 1) {
      volume.pass(PAUSE / 2);
      for (const [index, each] of [one, other].entries()) {
        for (const beating of [one, other]) beating.beat();
        await each.session.recover(cycle, OPEN);
        moved[index]! += await each.session.archive(cycle, OPEN, () => false);
      }
    }
    expect(archived(volume)).toEqual([...names].sort());
    expect(volume.list('done')).toEqual([]);
    expect(moved[0]! + moved[1]!).toBe(40);
    expect(Math.min(...moved)).toBeGreaterThan(5);
  });

  test('is copied when the volume refuses the link', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', '{"state":"simple"}');
    const refusing = interceptFiles(new NodeFiles(), async (_, method, [from, to], act) => {
      if (method === 'link' && to!.includes('/archive/') && !from!.includes('staging')) {
        throw errno('EPERM');
      }
      return act();
    });
    const one = await archivist(volume, {}, refusing.files);
    await commit(one, 'a.state');
    await forLong(volume, one);
    expect(archived(volume)).toEqual(['a.state']);
    expect(volume.list('done')).toEqual([]);
    expect(volume.read(volume.layout.archivedState('a.state').slice(volume.dir.length))).toBe(
      '{"state":"simple"}',
    );
  });

  test('is archived by another session after a crash at any file operation of the move', async () => {
    for (let crash = 1; ; crash += 1) {
      using volume = await TestVolume.create();
      volume.put('a.state', '{"state":"simple"}');
      await commit(await volume.join('ant'), 'a.state');
      let calls = 0;
      let isOn = false;
      const failing = interceptFiles(new NodeFiles(), async (_, method, __, act) => {
        const isRead = ['list', 'stat', 'read'].includes(method);
        if (!isOn || isRead) return act();
        calls += 1;
        if (calls >= crash) throw errno('EIO');
        return act();
      });
      const dead = await archivist(volume, {}, failing.files);
      isOn = true;
      for (let cycle = 0; cycle < 20; cycle += 1) {
        volume.pass(PAUSE / 2);
        await dead.session.archive(cycle * ROUND_CYCLES, OPEN, () => false).catch(() => undefined);
        const inRoot = volume.list().includes('a.state');
        const isFlagged = volume.list('done').includes('a.state');
        expect(inRoot && !isFlagged).toBe(false);
        expect(isFlagged || archived(volume).includes('a.state')).toBe(true);
      }
      isOn = false;
      const next = await volume.join('heir', new NodeFiles(), ['simple'], RULES);
      await forLong(volume, next);
      expect(archived(volume)).toEqual(['a.state']);
      expect(volume.list('done')).toEqual([]);
      if (calls < crash) {
        expect(crash).toBeGreaterThan(8);
        return;
      }
    }
  });
});

describe('a done state stays', () => {
  test.each<[string, (volume: TestVolume) => void]>([
    ['when it is claimed', (volume) => volume.put('in_progress/a.state', '')],
    ['when it has failed, too', (volume) => volume.put('failed/a.state', '')],
    [
      'when a session has still staged its record',
      (volume) => {
        mkdirSync(join(volume.dir, '.flockwork/staging/gone.abcdefgh'));
        volume.put('.flockwork/staging/gone.abcdefgh/a.state', '');
      },
    ],
  ])('%s', async (_, hold) => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    hold(volume);
    await forLong(volume, one);
    expect(archived(volume)).toEqual([]);
    expect(volume.list('done')).toEqual(['a.state']);
  });

  test('until its successor is done', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const one = await archivist(volume);
    const next = { name: 'a.state-1', content: '{"state":"simple"}\n' };
    await one.session.claim('a.state', OPEN);
    await one.session.settle([commitStep(one, 'a.state', next)], OPEN);
    await forLong(volume, one);
    expect(archived(volume)).toEqual([]);
    await commit(one, 'a.state-1');
    await forLong(volume, one);
    expect(archived(volume)).toEqual(['a.state', 'a.state-1']);
  });

  test('until its successor is done, when another program did it', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    volume.put('a.state-1');
    volume.put('done/a.state', '');
    const one = await archivist(volume);
    await forLong(volume, one);
    expect(archived(volume)).toEqual([]);
    volume.put('done/a.state-1', '');
    await forLong(volume, one);
    expect(archived(volume)).toEqual(['a.state', 'a.state-1']);
  });

  test('while the worker is busy', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    for (let cycle = 0; cycle < 20; cycle += 1) {
      volume.pass(PAUSE / 2);
      await one.session.archive(cycle, OPEN, () => true);
    }
    expect(archived(volume)).toEqual([]);
  });

  test('when a user has a file called archive, and work continues', async () => {
    using volume = await TestVolume.create();
    volume.put('archive', 'mine');
    volume.put('a.state');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    await forLong(volume, one);
    expect(volume.read('archive')).toBe('mine');
    expect(volume.list('done')).toEqual(['a.state']);
  });

  test('when its file differs from the archived one of the same name', async () => {
    using volume = await TestVolume.create();
    const one = await archivist(volume);
    volume.put('a.state', '{"state":"simple"}');
    await commit(one, 'a.state');
    await forLong(volume, one);
    volume.put('a.state', '{"state":"simple","payload":{"other":1}}');
    expect(await one.session.claim('a.state', OPEN)).toBe('finished');
    await forLong(volume, one);
    expect(volume.read('a.state')).toContain('other');
    expect(volume.list('done')).toEqual(['a.state']);
  });
});

test('done/ is listed only when it has changed, and at most once per half a pause', async () => {
  using volume = await TestVolume.create();
  volume.put('a.state');
  let listings = 0;
  const counting = interceptFiles(new NodeFiles(), (_, method, [path], act) => {
    if (method === 'list' && path!.endsWith('/done')) listings += 1;
    return act();
  });
  const one = await archivist(volume, { keep: 5 }, counting.files);
  await commit(one, 'a.state');
  await work(volume, one, 10);
  expect(listings).toBe(1);
  volume.put('done/b.state', '');
  for (let look = 0; look < 10; look += 1) await one.session.archive(look, OPEN, () => false);
  expect(listings).toBe(2);
  volume.put('done/c.state', '');
  for (let look = 0; look < 10; look += 1) await one.session.archive(look, OPEN, () => false);
  expect(listings).toBe(2);
  await work(volume, one, 10);
  expect(listings).toBe(3);
});

describe('an archived state', () => {
  async function withArchived(): Promise<{ volume: TestVolume; one: TestSession }> {
    const volume = await TestVolume.create();
    volume.put('a.state', '{"state":"simple"}');
    const one = await archivist(volume);
    await commit(one, 'a.state');
    await forLong(volume, one);
    expect(archived(volume)).toEqual(['a.state']);
    return { volume, one };
  }

  test('does not run when its file is copied to the root again: its done flag is restored', async () => {
    const { volume: made, one } = await withArchived();
    using volume = made;
    const flag = volume.read(volume.layout.archivedFlag('a.state').slice(volume.dir.length));
    volume.put('a.state', '{"state":"simple"}');
    expect(await one.session.claim('a.state', OPEN)).toBe('finished');
    expect(volume.list('in_progress')).toEqual([]);
    await work(volume, one, 1);
    expect(volume.read('done', 'a.state')).toBe(flag);
    expect((await one.session.snapshot()).tasks.names).toEqual([]);
    await forLong(volume, one);
    expect(volume.list()).not.toContain('a.state');
    expect(volume.list('done')).toEqual([]);
  });

  test.each([
    ['the same file', '{"state":"simple"}', 'there already'],
    ['another file', '{"state":"simple","payload":1}', 'name taken'],
  ])('cannot be submitted again: %s', async (_, text, expected) => {
    const { volume: made } = await withArchived();
    using volume = made;
    const candidate = { name: 'a.state', source: 'a', bytes: new TextEncoder().encode(text) };
    expect(await submitState(new NodeFiles(), volume.layout, candidate, 'u')).toBe(expected);
    expect(volume.list()).not.toContain('a.state');
  });

  test('cannot be submitted again when its file is gone', async () => {
    const { volume: made } = await withArchived();
    using volume = made;
    unlinkSync(volume.layout.archivedState('a.state'));
    const bytes = new TextEncoder().encode('{"state":"simple"}');
    const candidate = { name: 'a.state', source: 'a', bytes };
    expect(await submitState(new NodeFiles(), volume.layout, candidate, 'u')).toBe('name taken');
  });

  test.each([
    ['its lease is gone', 0, true],
    ['its claim is old', PAUSE, false],
  ])('is not committed again by a session that was stopped: %s', async (_, ms, isBroken) => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const late = await archivist(volume);
    expect(await late.session.claim('a.state', OPEN)).toBe('ours');
    // Another session's commit.
    const shard = volume.layout.archiveShard('a.state');
    mkdirSync(`${shard}/done`, { recursive: true });
    writeFileSync(volume.layout.archivedFlag('a.state'), 'theirs');
    volume.pass(ms);
    if (isBroken) rmSync(join(volume.dir, '.flockwork/leases', late.session.token.session));
    const next = { name: 'a.state-1', content: '{"state":"simple"}\n' };
    const mine = commitStep(late, 'a.state', next);
    await late.session.settle([mine], OPEN);
    expect(mine).toMatchObject({ progress: 'settled', lost: true, error: undefined });
    expect(volume.list('done')).toEqual([]);
    expect(volume.list()).not.toContain('a.state-1');
  });

  test('delays a commit until the archive can be checked', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    let isDown = true;
    const failing = interceptFiles(new NodeFiles(), async (_, method, [path], act) => {
      if (isDown && method === 'stat' && path!.includes('/leases/')) throw errno('EIO');
      if (isDown && method === 'stat' && path!.includes('/archive/')) throw errno('EIO');
      return act();
    });
    isDown = false;
    const one = await archivist(volume, {}, failing.files);
    await one.session.claim('a.state', OPEN);
    isDown = true;
    const mine = bareStep('a.state');
    await one.session.settle([mine], OPEN);
    expect(mine).toMatchObject({ progress: 'staged', error: { code: 'EIO' } });
    isDown = false;
    await one.session.settle([mine], OPEN);
    expect(mine).toMatchObject({ progress: 'settled', lost: false });
    expect(volume.list('done')).toEqual(['a.state']);
  });

  test('does not fail when a session that was stopped says so', async () => {
    const { volume: made, one } = await withArchived();
    using volume = made;
    const { session, worker } = one.session.token;
    const record = {
      flockwork: 1,
      state: 'a.state',
      session,
      worker,
      at: one.session.stamp(),
      code: 'fatal',
      reason: 'late',
    } as const;
    const failed = step('a.state', { kind: 'fail', record });
    await one.session.settle([failed], OPEN);
    expect(failed.progress).toBe('settled');
    expect(volume.list('failed')).toEqual([]);
  });

  test('is not published again when a dead session has still staged its record', async () => {
    const { volume: made, one } = await withArchived();
    using volume = made;
    const dead = await volume.join('dead');
    const staging = join(volume.dir, '.flockwork/staging', dead.session.token.session);
    mkdirSync(staging);
    writeFileSync(join(staging, 'a.state'), 'a record');
    volume.pass(LEASE);
    await volume.expire(one);
    expect(await one.session.countUnfinishedCommits()).toBe(0);
    expect(volume.list('.flockwork/staging')).not.toContain(dead.session.token.session);
    expect(volume.list()).not.toContain('a.state-1');
  });
});
