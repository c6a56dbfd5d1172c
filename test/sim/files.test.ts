/** The `Files` port: the simulated volume and a real directory must behave alike. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SimFiles, type Caller } from '../../src/sim/client.ts';
import { Disk } from '../../src/sim/disk.ts';
import { errnoOf, type Files } from '../../src/volume/files.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';

interface Stand {
  readonly root: string;
  readonly files: Files;
  /** Lets `ms` of the volume's time pass. */
  readonly wait: (ms: number) => Promise<void>;
  readonly remove: () => void;
}

function directory(): Stand {
  const root = mkdtempSync(join(tmpdir(), 'flockwork-files-'));
  return {
    root,
    files: new NodeFiles(),
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    remove: () => rmSync(root, { recursive: true }),
  };
}

/** A simulated process without faults. */
function simulated(): Stand {
  let now = 1000;
  const disk = new Disk(() => now, 0);
  const actor = { client: 'w0', stamp: () => now };
  disk.makeDirectory('/volume', actor);
  const caller: Caller = {
    begin: () => undefined,
    disk: () => disk,
    actor,
    taken: 'EEXIST',
    latency: () => 0,
    later: (_ms, act) => queueMicrotask(act),
    deliver: (act) => act(),
    end: () => undefined,
    die: () => expect.unreachable(),
    losePower: () => expect.unreachable(),
    now: () => now,
    shuffle: (names) => names,
  };
  return {
    root: '/volume',
    files: new SimFiles(caller),
    wait: async (ms) => void (now += ms),
    remove: () => undefined,
  };
}

describe.each([
  ['a directory', directory],
  ['the simulated volume', simulated],
])('%s', (_, make) => {
  let stand: Stand;
  let files: Files;
  beforeEach(() => {
    stand = make();
    ({ files } = stand);
  });
  afterEach(() => stand.remove());

  const at = (path: string): string => `${stand.root}/${path}`;
  const text = async (path: string, limit?: number): Promise<string> =>
    new TextDecoder().decode(await files.read(at(path), limit));
  const names = async (path = '.'): Promise<string[]> => (await files.list(at(path))).toSorted();
  const errno = (promise: Promise<unknown>): Promise<string | undefined> =>
    promise.then(() => 'ok', errnoOf);

  test('list returns the entries of the directory alone', async () => {
    expect(await names()).toEqual([]);
    await files.create(at('a'), '');
    await files.makeDirectory(at('d'));
    await files.create(at('d/b'), '');
    expect(await names()).toEqual(['a', 'd']);
    expect(await names('d')).toEqual(['b']);
    expect(await errno(files.list(at('none')))).toBe('ENOENT');
    expect(await errno(files.list(at('a')))).toBe('ENOTDIR');
  });

  test('stat returns the kind of an entry, or undefined', async () => {
    await files.create(at('a'), 'four');
    await files.makeDirectory(at('d'));
    expect(await files.stat(at('a'))).toMatchObject({ kind: 'file', size: 4 });
    expect(await files.stat(at('d'))).toMatchObject({ kind: 'directory' });
    expect(await files.stat(at('none'))).toBeUndefined();
    expect(await files.stat(at('none/below'))).toBeUndefined();
    expect(await errno(files.stat(at('a/below')))).toBe('ENOTDIR');
  });

  test('sizes and limits are bytes', async () => {
    await files.create(at('a'), 'für 5 €');
    expect(await files.stat(at('a'))).toMatchObject({ size: 10 });
    expect(await text('a')).toBe('für 5 €');
    expect(await files.read(at('a'), 3)).toHaveLength(4);
    await files.overwrite(at('a'), '€');
    expect(await text('a')).toBe('€r 5 €');
  });

  test('read returns one byte more than the limit when the file is longer', async () => {
    await files.create(at('a'), '12345');
    expect(await text('a', 3)).toBe('1234');
    expect(await text('a', 4)).toBe('12345');
    expect(await text('a', 5)).toBe('12345');
    expect(await text('a')).toBe('12345');
    await files.create(at('empty'), '');
    expect(await text('empty', 0)).toBe('');
    expect(await errno(files.read(at('none')))).toBe('ENOENT');
    await files.makeDirectory(at('d'));
    expect(await errno(files.read(at('d')))).toBe('EISDIR');
  });

  test('create creates a file once', async () => {
    await files.create(at('a'), 'first');
    expect(await errno(files.create(at('a'), 'second'))).toBe('EEXIST');
    expect(await text('a')).toBe('first');
    expect(await errno(files.create(at('none/a'), ''))).toBe('ENOENT');
    expect(await errno(files.create(at('a/b'), ''))).toBe('ENOTDIR');
  });

  test('overwrite replaces bytes in place and creates nothing', async () => {
    expect(await errno(files.overwrite(at('a'), 'x'))).toBe('ENOENT');
    expect(await names()).toEqual([]);
    await files.create(at('a'), '12345');
    await files.link(at('a'), at('b'));
    await files.overwrite(at('a'), 'xy');
    expect(await text('a')).toBe('xy345');
    expect(await text('b')).toBe('xy345');
    await files.overwrite(at('a'), 'longer than before');
    expect(await text('a')).toBe('longer than before');
    await files.makeDirectory(at('d'));
    expect(await errno(files.overwrite(at('d'), 'x'))).toBe('EISDIR');
  });

  test('append creates the file if necessary', async () => {
    await files.append(at('a'), 'one');
    await files.append(at('a'), ' two');
    expect(await text('a')).toBe('one two');
    expect(await errno(files.append(at('none/a'), 'x'))).toBe('ENOENT');
    await files.makeDirectory(at('d'));
    expect(await errno(files.append(at('d'), 'x'))).toBe('EISDIR');
  });

  test('link adds a name that is free', async () => {
    await files.create(at('a'), 'mine');
    await files.create(at('b'), 'theirs');
    await files.makeDirectory(at('d'));
    expect(await errno(files.link(at('a'), at('b')))).toBe('EEXIST');
    expect(await errno(files.link(at('a'), at('a')))).toBe('EEXIST');
    expect(await errno(files.link(at('a'), at('d')))).toBe('EEXIST');
    expect(await text('b')).toBe('theirs');
    expect(await errno(files.link(at('none'), at('c')))).toBe('ENOENT');
    expect(await errno(files.link(at('none'), at('b')))).toBe('ENOENT');
    expect(await errno(files.link(at('a'), at('none/c')))).toBe('ENOENT');
    expect(await errno(files.link(at('d'), at('c')))).toBe('EPERM');
    await files.link(at('a'), at('d/c'));
    await files.append(at('a'), '!');
    await files.unlink(at('a'));
    expect(await text('d/c')).toBe('mine!');
  });

  test('rename replaces the target', async () => {
    await files.create(at('a'), 'new');
    await files.create(at('b'), 'old');
    await files.rename(at('a'), at('b'));
    expect(await names()).toEqual(['b']);
    expect(await text('b')).toBe('new');
    expect(await errno(files.rename(at('a'), at('b')))).toBe('ENOENT');
    await files.makeDirectory(at('d'));
    expect(await errno(files.rename(at('b'), at('d')))).toBe('EISDIR');
    expect(await errno(files.rename(at('b'), at('none/b')))).toBe('ENOENT');
    await files.rename(at('b'), at('d/c'));
    expect([await names(), await names('d')]).toEqual([['d'], ['c']]);
  });

  test('rename of a name over another name of the same file changes nothing', async () => {
    await files.create(at('a'), '');
    await files.link(at('a'), at('b'));
    await files.rename(at('a'), at('b'));
    expect(await names()).toEqual(['a', 'b']);
  });

  test('unlink removes one name', async () => {
    await files.create(at('a'), 'x');
    await files.link(at('a'), at('b'));
    await files.unlink(at('a'));
    expect(await errno(files.unlink(at('a')))).toBe('ENOENT');
    expect(await errno(files.unlink(at('b/below')))).toBe('ENOTDIR');
    expect(await text('b')).toBe('x');
    await files.makeDirectory(at('d'));
    expect(await errno(files.unlink(at('d')))).toBe('EISDIR');
  });

  test('makeDirectory creates, and removeDirectory removes an empty one', async () => {
    await files.makeDirectory(at('d'));
    expect(await errno(files.makeDirectory(at('d')))).toBe('EEXIST');
    expect(await errno(files.makeDirectory(at('none/d')))).toBe('ENOENT');
    await files.create(at('d/a'), '');
    expect(await errno(files.makeDirectory(at('d/a')))).toBe('EEXIST');
    expect(await errno(files.removeDirectory(at('d')))).toBe('ENOTEMPTY');
    expect(await errno(files.removeDirectory(at('d/a')))).toBe('ENOTDIR');
    await files.unlink(at('d/a'));
    await files.removeDirectory(at('d'));
    expect(await errno(files.removeDirectory(at('d')))).toBe('ENOENT');
    expect(await names()).toEqual([]);
  });

  test('chmod sets the permissions of all names and keeps the kind', async () => {
    await files.create(at('a'), '');
    await files.link(at('a'), at('b'));
    await files.makeDirectory(at('d'));
    await files.chmod(at('a'), 0o640);
    await files.chmod(at('d'), 0o1777);
    expect((await files.stat(at('b')))!.mode & 0o7777).toBe(0o640);
    expect(await files.stat(at('d'))).toMatchObject({ kind: 'directory' });
    expect((await files.stat(at('d')))!.mode & 0o7777).toBe(0o1777);
    expect(await errno(files.chmod(at('none'), 0o644))).toBe('ENOENT');
  });

  test('sync syncs files and directories', async () => {
    await files.create(at('a'), 'x');
    await files.sync(at('a'));
    await files.sync(at('.'));
    expect(await text('a')).toBe('x');
    expect(await errno(files.sync(at('none')))).toBe('ENOENT');
  });

  test('the mtime of a directory changes when an entry comes or goes, and only then', async () => {
    const mtime = async (path: string): Promise<number> => (await files.stat(at(path)))!.mtime;
    /** Whether `act` changes the directory's mtime. */
    const moves = async (act: () => Promise<void>): Promise<boolean> => {
      const before = await mtime('d');
      // Longer than the coarsest clock tick of kernel time stamps.
      await stand.wait(30);
      await act();
      return (await mtime('d')) > before;
    };
    await files.makeDirectory(at('d'));
    await files.create(at('x'), '');
    expect(await moves(() => files.create(at('d/a'), ''))).toBe(true);
    expect(await moves(() => files.link(at('x'), at('d/b')))).toBe(true);
    expect(await moves(() => files.unlink(at('d/a')))).toBe(true);
    expect(await moves(() => files.rename(at('d/b'), at('d/c')))).toBe(true);
    expect(await moves(() => files.makeDirectory(at('d/e')))).toBe(true);
    expect(await moves(() => files.removeDirectory(at('d/e')))).toBe(true);
    expect(await moves(() => files.append(at('d/c'), 'more'))).toBe(false);
    expect(await moves(() => files.overwrite(at('d/c'), 'less'))).toBe(false);
    expect(await moves(async () => void (await errno(files.create(at('d/c'), ''))))).toBe(false);
  });

  test('the mtime of a file changes when it is written, not when it is linked', async () => {
    const mtime = async (): Promise<number> => (await files.stat(at('a')))!.mtime;
    await files.create(at('a'), 'x');
    const first = await mtime();
    await stand.wait(30);
    await files.link(at('a'), at('b'));
    expect(await mtime()).toBe(first);
    await files.overwrite(at('a'), 'y');
    const second = await mtime();
    expect(second).toBeGreaterThan(first);
    await stand.wait(30);
    await files.append(at('b'), 'z');
    expect(await mtime()).toBeGreaterThan(second);
  });
});
