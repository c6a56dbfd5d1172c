/** The census counts states of each kind, archived ones too; the resets remove them. */
import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readOverview, seesOpenState, takeCensus } from '../../src/volume/overview.ts';
import { resetDone, resetProblemOf, resetState, resetWorkers } from '../../src/volume/admin.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { submitState } from '../../src/volume/submit.ts';
import { NO_COUNTS } from '../counts.ts';
import { bareStep, commitStep, OPEN, TestVolume } from './harness.ts';

const files = new NodeFiles();

/** As after a move: flag and state file in the archive, nothing elsewhere. */
function putArchived(volume: TestVolume, name: string, flag: string = ''): void {
  mkdirSync(`${volume.layout.archiveShard(name)}/done`, { recursive: true });
  writeFileSync(volume.layout.archivedFlag(name), flag);
  writeFileSync(volume.layout.archivedState(name), '{"state":"simple"}');
}

function moveByHand(volume: TestVolume, name: string): void {
  putArchived(volume, name, volume.read('done', name));
  writeFileSync(volume.layout.archivedState(name), volume.read(name));
  for (const path of [name, `done/${name}`]) unlinkSync(join(volume.dir, path));
}

describe('seesOpenState', () => {
  test.each([
    ['open.state', [], true],
    ['held.state', ['in_progress'], true],
    ['done.state', ['done'], false],
    ['failed.state', ['failed'], false],
    ['waiting.state', ['waiting'], false],
    ['notes.txt', [], false],
  ])('looks at %s with the flags %j', async (name, flags, isSeen) => {
    using volume = await TestVolume.create();
    volume.put(name);
    for (const flag of flags) volume.put(`${flag}/${name}`, '');
    expect(await seesOpenState(files, volume.layout)).toBe(isSeen);
  });

  test('does not see a state in the root that is archived', async () => {
    using volume = await TestVolume.create();
    volume.put('again.state');
    putArchived(volume, 'again.state');
    expect(await seesOpenState(files, volume.layout)).toBe(false);
  });

  test('looks at a few states only', async () => {
    using volume = await TestVolume.create();
    for (let index = 0; index < 300; index += 1) {
      volume.put(`${index}.state`);
      volume.put(`done/${index}.state`, '');
    }
    const looked: string[] = [];
    class Watched extends NodeFiles {
      override stat(path: string): ReturnType<NodeFiles['stat']> {
        looked.push(path);
        return super.stat(path);
      }
    }
    expect(await seesOpenState(new Watched(), volume.layout)).toBe(false);
    expect(looked).toHaveLength(100);
  });
});

describe('the census', () => {
  test('counts nothing in an empty volume, or one that no worker has used', async () => {
    using volume = await TestVolume.create();
    expect(await takeCensus(files, volume.layout)).toMatchObject(NO_COUNTS);
    const bare = join(volume.dir, 'sub');
    mkdirSync(bare);
    writeFileSync(join(bare, 'a.state'), '');
    const { layout } = volume;
    const census = await takeCensus(files, Object.assign(Object.create(layout), { root: bare }));
    expect(census).toMatchObject({ ...NO_COUNTS, available: 1 });
  });

  test('counts each state once, by its decisive flag', async () => {
    using volume = await TestVolume.create();
    for (const name of ['open', 'held', 'done', 'failed', 'both', 'waits', 'tried']) {
      volume.put(`${name}.state`);
    }
    const flags = {
      in_progress: ['held.state', '.hidden'],
      done: ['done.state', 'both.state', 'notes.txt'],
      failed: ['failed.state', 'both.state', 'gone.state'],
      waiting: ['waits.state'],
    };
    for (const [flag, names] of Object.entries(flags)) {
      for (const name of names) volume.put(`${flag}/${name}`, '');
    }
    volume.put('notes.txt', 'mine');
    const attempts = join(volume.dir, '.flockwork/attempts/tried.state');
    mkdirSync(attempts);
    writeFileSync(join(attempts, 'not-before'), '2999-01-01T00:00:00.000Z\n');
    putArchived(volume, 'gone.state');
    expect(await takeCensus(files, volume.layout)).toEqual({
      available: 2,
      delayed: 1,
      inProgress: 1,
      waiting: 1,
      events: 0,
      done: 2,
      archived: 1,
      isArchiveSampled: false,
      failed: 1,
      names: {
        available: expect.toSatisfy((names: string[]) => names.length === 2),
        inProgress: ['held.state'],
        waiting: ['waits.state'],
        failed: ['failed.state'],
      },
    });
  });

  test('estimates a large archive, and says that it is an estimate', async () => {
    using volume = await TestVolume.create();
    const many = 2560;
    for (let shard = 0; shard < 256; shard += 1) {
      const path = `${volume.layout.archive}/${shard.toString(16).padStart(2, '0')}/done`;
      mkdirSync(path, { recursive: true });
      for (let index = 0; index < Math.ceil(many / 256); index += 1) {
        writeFileSync(`${path}/s${shard}-${index}.state`, '');
      }
    }
    const { archived, isArchiveSampled } = await takeCensus(files, volume.layout, 1000);
    expect(isArchiveSampled).toBe(true);
    expect(Math.abs(archived - many)).toBeLessThan(0.01 * many);
  });

  test.each(['a file', 'a folder of notes'])('ignores %s called archive', async (what) => {
    using volume = await TestVolume.create();
    if (what === 'a file') volume.put('archive', 'mine');
    else {
      mkdirSync(join(volume.dir, 'archive'));
      volume.put('archive/notes.txt', 'mine');
    }
    volume.put('a.state');
    const census = await takeCensus(files, volume.layout);
    expect(census).toMatchObject({ available: 1, archived: 0, isArchiveSampled: false });
    expect(await resetDone(files, volume.layout)).toEqual({ done: [], archived: [] });
    const bytes = new TextEncoder().encode('{"state":"simple"}');
    const candidate = { name: 'b.state', source: 'b', bytes };
    expect(await submitState(files, volume.layout, candidate, 'u')).toBe('submitted');
    expect((await readOverview(files, volume.layout)).census.available).toBe(2);
  });
});

describe('resetDone', () => {
  test('moves archived states back to the root', async () => {
    using volume = await TestVolume.create();
    const one = await volume.join('ant');
    volume.put('a.state', '{"state":"simple"}');
    volume.put('b.state', '{"state":"simple","payload":1}');
    await one.session.claim('a.state', OPEN);
    const next = { name: 'a.state-1', content: '{"state":"simple"}\n' };
    await one.session.settle([commitStep(one, 'a.state', next)], OPEN);
    for (const name of ['a.state-1', 'b.state']) {
      await one.session.claim(name, OPEN);
      await one.session.settle([bareStep(name)], OPEN);
    }
    for (const name of ['a.state', 'a.state-1']) moveByHand(volume, name);
    const result = await resetDone(files, volume.layout);
    expect(result.done).toHaveLength(3);
    expect([...result.archived].sort()).toEqual(['a.state', 'a.state-1']);
    expect(volume.list().filter((name) => name.includes('.state'))).toEqual(['a.state', 'b.state']);
    expect(volume.read('a.state')).toBe('{"state":"simple"}');
    expect(volume.list('done')).toEqual([]);
    expect(volume.list()).not.toContain('archive');
    expect(await one.session.claim('a.state', OPEN)).toBe('ours');
  });

  test('keeps another file that a user has put into the root since', async () => {
    using volume = await TestVolume.create();
    putArchived(volume, 'a.state');
    volume.put('a.state', '{"state":"simple","payload":2}');
    expect(await resetDone(files, volume.layout)).toEqual({
      done: ['a.state'],
      archived: ['a.state'],
    });
    expect(volume.read('a.state')).toContain('2');
    expect(volume.list()).not.toContain('archive');
  });

  test('keeps other files in archive/', async () => {
    using volume = await TestVolume.create();
    putArchived(volume, 'a.state');
    volume.put('archive/notes.txt', 'mine');
    await resetDone(files, volume.layout);
    expect(volume.read('archive', 'notes.txt')).toBe('mine');
    expect(volume.list()).toContain('a.state');
  });
});

describe('resetState', () => {
  /** `a`, with two successors, and `b`: all of them done, the first one archived. */
  async function chain(): Promise<TestVolume> {
    const volume = await TestVolume.create();
    const one = await volume.join('ant');
    for (const name of ['a.state', 'b.state']) volume.put(name, '{"state":"simple"}');
    for (const [name, successor] of [
      ['a.state', 'a.state-1'],
      ['a.state-1', 'a.state-2'],
    ] as const) {
      await one.session.claim(name, OPEN);
      const next = { name: successor, content: '{"state":"simple"}\n' };
      await one.session.settle([commitStep(one, name, next)], OPEN);
    }
    for (const name of ['a.state-2', 'b.state']) {
      await one.session.claim(name, OPEN);
      await one.session.settle([bareStep(name)], OPEN);
    }
    moveByHand(volume, 'a.state');
    return volume;
  }

  test('removes the flag and all later steps, and nothing else', async () => {
    using volume = await chain();
    expect(await resetProblemOf(files, volume.layout, 'a.state-1')).toBeUndefined();
    const { done } = (await resetState(files, volume.layout, 'a.state-1'))!;
    expect(done).toEqual(['a.state-2', 'a.state-1']);
    expect(volume.list().filter((name) => name.includes('.state'))).toEqual([
      'a.state-1',
      'b.state',
    ]);
    expect(volume.list('done')).toEqual(['b.state']);
  });

  test('moves the state back from the archive', async () => {
    using volume = await chain();
    expect(await resetState(files, volume.layout, 'a.state')).toMatchObject({
      archived: ['a.state'],
    });
    expect(volume.list().filter((name) => name.includes('.state'))).toEqual(['a.state', 'b.state']);
    expect(volume.list('done')).toEqual(['b.state']);
  });

  test('does nothing when the state is not done', async () => {
    using volume = await chain();
    volume.put('c.state', '{"state":"simple"}');
    expect(await resetProblemOf(files, volume.layout, 'c.state')).toContain('it is not done');
    expect(await resetState(files, volume.layout, 'c.state')).toBeUndefined();
    expect(volume.list('done')).toEqual(['a.state-1', 'a.state-2', 'b.state']);
  });
});

test('resetWorkers removes the flags of sessions that are gone, and foreign ones', async () => {
  using volume = await TestVolume.create();
  for (const [name, text] of [
    ['ant', '{"session":"ant.1"}'],
    ['original', ''],
  ] as const) {
    volume.put(`workers/${name}`, text);
  }
  expect((await resetWorkers(files, volume.layout, new Set())).sort()).toEqual(['ant', 'original']);
  expect(volume.list('workers')).toEqual([]);
});
