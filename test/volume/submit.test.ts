/** Submitting many state files at a time: complete, never replacing a file, and synced before they are visible. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Files } from '../../src/volume/files.ts';
import { Layout } from '../../src/volume/layout.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import type { NewState } from '../../src/engine/engine.ts';
import { submitStates, type Batch } from '../../src/volume/submit.ts';

let layout: Layout;
beforeEach(() => {
  layout = new Layout(mkdtempSync(join(tmpdir(), 'flockwork-submit-')));
});
afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

const submission = (name: string, text = `{"state":"${name}"}`): NewState => ({
  name,
  bytes: new TextEncoder().encode(text),
});
const batchOf = (more: Partial<Batch> = {}): Batch => ({
  unique: 'u',
  stop: new AbortController().signal,
  yieldToSignals: () => Promise.resolve(),
  ...more,
});
const read = (name: string): string => readFileSync(layout.state(name), 'utf8');

describe('submitStates', () => {
  test('publishes new states, and reports those that exist', async () => {
    writeFileSync(layout.state('same.state'), '{"state":"same.state"}');
    writeFileSync(layout.state('other.state'), 'mine');
    mkdirSync(`${layout.archiveShard('old.state')}/done`, { recursive: true });
    writeFileSync(layout.archivedFlag('old.state'), '');
    const names = ['new.state', 'same.state', 'other.state', 'old.state'];
    const all = names.map((name) => submission(name));
    const outcomes = await submitStates(new NodeFiles(), layout, all, batchOf());
    expect(Object.fromEntries(outcomes)).toEqual({
      'new.state': 'submitted',
      'same.state': 'there already',
      'other.state': 'name taken',
      'old.state': 'name taken',
    });
    expect(read('new.state')).toBe('{"state":"new.state"}');
    expect(read('other.state')).toBe('mine');
    expect(readdirSync(layout.root).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('syncs all files once before any of them is visible', async () => {
    const seen: string[][] = [];
    class Watched extends NodeFiles {
      override async syncAll(
        directory: string,
        paths: readonly string[],
        stop: AbortSignal,
      ): Promise<void> {
        seen.push([
          ...paths.map((path) => readFileSync(path, 'utf8')),
          ...readdirSync(layout.root),
        ]);
        await super.syncAll(directory, paths, stop);
      }
    }
    const all = Array.from({ length: 300 }, (_, index) => submission(`${index}.state`));
    await submitStates(new Watched(), layout, all, batchOf());
    expect(seen).toEqual([[...all.map(({ name }) => `{"state":"${name}"}`), '.submit-u']]);
    expect(readdirSync(layout.root)).toHaveLength(300);
  });

  test('asks once for an archive when there is none', async () => {
    const asked: string[] = [];
    class Watched extends NodeFiles {
      override stat(path: string): ReturnType<NodeFiles['stat']> {
        if (path.startsWith(layout.archive)) asked.push(path);
        return super.stat(path);
      }
    }
    const all = Array.from({ length: 300 }, (_, index) => submission(`${index}.state`));
    await submitStates(new Watched(), layout, all, batchOf());
    expect(asked).toEqual([layout.archive]);
  });

  test('finds a state that is archived while its group is staged, as the first one ever', async () => {
    writeFileSync(layout.state('old.state'), '{"state":"old.state"}');
    class Archiving extends NodeFiles {
      override async create(path: string, content: string): Promise<void> {
        await super.create(path, content);
        if (!path.endsWith('/new.state')) return;
        mkdirSync(`${layout.archiveShard('old.state')}/done`, { recursive: true });
        renameSync(layout.state('old.state'), layout.archivedState('old.state'));
        writeFileSync(layout.archivedFlag('old.state'), '');
      }
    }
    const all = ['new.state', 'old.state', 'last.state'].map((name) => submission(name));
    const outcomes = await submitStates(new Archiving(), layout, all, batchOf());
    expect(Object.fromEntries(outcomes)).toEqual({
      'new.state': 'submitted',
      'old.state': 'there already',
      'last.state': 'submitted',
    });
    expect(readdirSync(layout.root).sort()).toEqual(['archive', 'last.state', 'new.state']);
  });

  test('keeps a file that another process links first, between the stat and the link', async () => {
    class Raced extends NodeFiles {
      override async syncAll(): Promise<void> {
        writeFileSync(layout.state('a.state'), 'theirs');
      }
    }
    const all = [submission('a.state'), submission('b.state')];
    const outcomes = await submitStates(new Raced(), layout, all, batchOf());
    expect([...outcomes.values()]).toEqual(['name taken', 'submitted']);
    expect(read('a.state')).toBe('theirs');
  });

  test('publishes nothing more after a stop, and leaves nothing behind', async () => {
    const stop = new AbortController();
    const all = Array.from({ length: 1000 }, (_, index) => submission(`${index}.state`));
    const yieldToSignals = async (): Promise<void> => {
      if (readdirSync(layout.root).length > 1) stop.abort();
    };
    const outcomes = await submitStates(
      new NodeFiles({ durable: false }),
      layout,
      all,
      batchOf({ stop: stop.signal, yieldToSignals }),
    );
    expect(outcomes.size).toBeGreaterThan(0);
    expect(outcomes.size).toBeLessThan(1000);
    expect(readdirSync(layout.root)).toHaveLength(outcomes.size);
  });

  test('syncs each file on a volume that cannot sync many at once', async () => {
    const synced: string[] = [];
    class Plain extends NodeFiles {
      override async sync(path: string): Promise<void> {
        synced.push(path.slice(layout.root.length));
      }
    }
    const files: Files = Object.assign(new Plain(), { syncAll: undefined });
    await submitStates(files, layout, [submission('a.state'), submission('b.state')], batchOf());
    expect(synced).toEqual(['/.submit-u/a.state', '/.submit-u/b.state']);
  });

  test('publishes nothing that may not be synced, when it is stopped during the sync', async () => {
    const stop = new AbortController();
    class Slow extends NodeFiles {
      override syncAll(...[directory, paths]: Parameters<NodeFiles['syncAll']>): Promise<void> {
        const synced = super.syncAll(directory, paths, stop.signal);
        stop.abort();
        return synced;
      }
    }
    const all = Array.from({ length: 300 }, (_, index) => submission(`${index}.state`));
    const outcomes = await submitStates(new Slow(), layout, all, batchOf({ stop: stop.signal }));
    expect({ outcomes: outcomes.size, left: readdirSync(layout.root) }).toEqual({
      outcomes: 0,
      left: [],
    });
  });

  describe('more than one group', () => {
    const all = Array.from({ length: 5001 }, (_, index) => submission(`${index}.state`));

    test('stages the next one while the last one is synced', async () => {
      const staged: number[] = [];
      const second = Promise.withResolvers<void>();
      class Watched extends NodeFiles {
        override async syncAll(directory: string): Promise<void> {
          if (staged.push(readdirSync(directory).length) === 1) await second.promise;
          else second.resolve();
        }
      }
      const outcomes = await submitStates(new Watched(), layout, all, batchOf());
      expect(staged).toEqual([5000, 5001]);
      expect([...outcomes.keys()]).toEqual(all.map(({ name }) => name));
      expect(readdirSync(layout.root)).toHaveLength(5001);
    });

    test('publishes nothing of one that cannot be synced, and leaves nothing behind', async () => {
      let syncs = 0;
      class Broken extends NodeFiles {
        override async syncAll(): Promise<void> {
          syncs += 1;
          if (syncs === 2) throw new Error('EIO');
        }
      }
      await expect(submitStates(new Broken(), layout, all, batchOf())).rejects.toThrow('EIO');
      expect(readdirSync(layout.root)).toHaveLength(5000);
    });
  });
});
