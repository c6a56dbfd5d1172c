/** Files that other programs leave in our directories are passed over, and nothing waits for them. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { takeCensus, readOverview } from '../../src/volume/overview.ts';
import { EVENTS, FLAGS, INTERNAL } from '../../src/volume/layout.ts';
import { resetInProgress, resetTraces } from '../../src/volume/admin.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { bareStep, OPEN, TestVolume } from './harness.ts';

const DIRECTORIES = [...FLAGS, ...EVENTS, ...INTERNAL.map((part) => `.flockwork/${part}`)];

/** In every directory of the volume. */
function litter(volume: TestVolume): void {
  for (const directory of DIRECTORIES) {
    const at = (name: string): string => join(volume.dir, directory, name);
    for (const name of ['Thumbs.db', 'desktop.ini', '.DS_Store', 'a.state~', '#a.state#']) {
      writeFileSync(at(name), 'junk');
    }
    mkdirSync(at('@eaDir'));
    mkdirSync(at('.AppleDouble'));
    symlinkSync('/nonexistent', at('dangling link'));
  }
}

describe('junk in the directories of a volume', () => {
  test('is neither in progress, nor a worker, nor anything else that is counted', async () => {
    using volume = await TestVolume.create();
    litter(volume);
    volume.put('a.state');
    const ant = await volume.join('ant');
    await ant.session.register(OPEN);
    const snapshot = await ant.session.snapshot();
    expect(snapshot).toMatchObject({ inProgress: 0, delayed: 0 });
    expect(snapshot.tasks.names).toEqual(['a.state']);
    expect(snapshot.roster.map(({ name }) => name)).toEqual(['ant']);
    expect(await ant.session.countUnfinishedCommits()).toBe(0);
    const counts = await takeCensus(new NodeFiles(), volume.layout);
    expect(counts).toMatchObject({ available: 1, inProgress: 0, waiting: 0, events: 0, done: 0 });
    expect(counts).toMatchObject({ failed: 0, archived: 0 });
    expect((await readOverview(new NodeFiles(), volume.layout)).inProgress).toEqual([]);
  });

  test('does not prevent recovery of a dead worker', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await bee.session.register(OPEN);
    await bee.session.claim('a.state', OPEN);
    litter(volume);
    await volume.expire(ant);
    expect(existsSync(join(volume.dir, 'in_progress/a.state'))).toBe(false);
    expect(existsSync(join(volume.dir, 'workers/bee'))).toBe(false);
    const step = bareStep('a.state');
    await ant.session.claim('a.state', OPEN);
    await ant.session.settle([step], OPEN);
    expect(step.progress).toBe('settled');
  });

  test('does not include foreign flags of states, which count', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    volume.put('in_progress/a.state', '');
    volume.put('workers/original-1', '');
    const ant = await volume.join('ant');
    const { inProgress, tasks, roster } = await ant.session.snapshot();
    expect([inProgress, tasks.size, roster.map(({ name }) => name)]).toEqual([
      1,
      0,
      ['original-1'],
    ]);
  });

  test('does not hinder `reset`, and survives it', async () => {
    using volume = await TestVolume.create();
    litter(volume);
    const files = new NodeFiles();
    volume.put('in_progress/a.state', '');
    expect(await resetInProgress(files, volume.layout, new Set())).toEqual(['a.state']);
    await resetTraces(files, volume.layout, new Set());
    for (const flag of FLAGS) {
      expect(existsSync(join(volume.dir, flag, 'Thumbs.db'))).toBe(true);
      expect(existsSync(join(volume.dir, flag, '@eaDir'))).toBe(true);
    }
  });
});
