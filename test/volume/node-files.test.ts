/** `NodeFiles`: its contract beyond what is tested for the simulator's files too. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NodeFiles, type NodeFilesOptions } from '../../src/volume/node-files.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'flockwork-files-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const text = async (files: NodeFiles, name: string, limit?: number): Promise<string> =>
  Buffer.from(await files.read(at(name), limit)).toString();

/** Calls of fsync from now on. */
async function watchSyncs(): Promise<{ readonly count: number } & Disposable> {
  await using handle = await open(folder);
  const spy = vi.spyOn(Object.getPrototypeOf(handle) as { sync: () => Promise<void> }, 'sync');
  return {
    get count() {
      return spy.mock.calls.length;
    },
    [Symbol.dispose]: () => spy.mockRestore(),
  };
}

describe('fsync', () => {
  test('is called for files and directories when durable', async () => {
    using syncs = await watchSyncs();
    const files = new NodeFiles();
    await files.create(at('x'), 'content');
    expect(syncs.count).toBe(0);
    await files.sync(at('x'));
    await files.sync(folder);
    expect(syncs.count).toBe(2);
    await expect(files.sync(at('gone'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('is not called when writes need not survive a power cut', async () => {
    using syncs = await watchSyncs();
    const files = new NodeFiles({ durable: false });
    await files.create(at('x'), 'content');
    await files.sync(at('x'));
    await files.sync(folder);
    expect(syncs.count).toBe(0);
  });
});

const KINDS: readonly NodeFilesOptions[] = [{}, { durable: false }, { network: true }];

describe.each(KINDS)('all else is the same with %o', (options) => {
  const files = new NodeFiles(options);

  test('files are created once, read, overwritten, appended to, linked, renamed, removed', async () => {
    await files.create(at('x'), 'one');
    await expect(files.create(at('x'), 'two')).rejects.toMatchObject({ code: 'EEXIST' });
    await files.overwrite(at('x'), 'ON');
    expect(await text(files, 'x')).toBe('ONe');
    await expect(files.overwrite(at('gone'), '')).rejects.toMatchObject({ code: 'ENOENT' });
    await files.append(at('x'), ' and more');
    await files.append(at('y'), 'anew');
    expect([await text(files, 'x'), await text(files, 'y')]).toEqual(['ONe and more', 'anew']);
    await files.link(at('x'), at('z'));
    await expect(files.link(at('x'), at('y'))).rejects.toMatchObject({ code: 'EEXIST' });
    await files.unlink(at('x'));
    await expect(files.unlink(at('x'))).rejects.toMatchObject({ code: 'ENOENT' });
    await files.rename(at('z'), at('y'));
    expect(await text(files, 'y')).toBe('ONe and more');
    await files.makeDirectory(at('d'));
    await expect(files.removeDirectory(folder)).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await files.removeDirectory(at('d'));
    await files.chmod(at('y'), 0o600);
    expect(statSync(at('y')).mode & 0o777).toBe(0o600);
    expect(await files.list(folder)).toEqual(['y']);
  });

  test('a long directory is listed completely, and ticks go on meanwhile', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `s${index}`);
    for (const name of names) writeFileSync(at(name), '');
    let turns = 0;
    const turning = setImmediate(function again() {
      turns += 1;
      chained = setImmediate(again);
    });
    let chained = turning;
    const listed = await files.list(folder);
    clearImmediate(chained);
    expect(listed.sort()).toEqual(names.sort());
    expect(turns).toBeGreaterThan(1);
  });

  test('a listing pushes into its sink, and ends with an error of the sink', async () => {
    for (const name of ['x', 'y', 'z']) writeFileSync(at(name), '');
    const names = new Set<string>();
    const into = { push: (name: string) => names.add(name) };
    expect(await files.list(folder, into)).toBe(into);
    expect([...names].sort()).toEqual(['x', 'y', 'z']);
    const descriptors = readdirSync('/proc/self/fd').length;
    let taken = 0;
    const refusing = {
      push: () => {
        taken += 1;
        throw new Error('enough');
      },
    };
    for (let time = 1; time <= 10; time += 1) {
      await expect(files.list(folder, refusing)).rejects.toThrow('enough');
      expect(taken).toBe(time);
    }
    expect(readdirSync('/proc/self/fd').length).toBe(descriptors);
  });

  test('a missing directory is an error, a missing entry is undefined', async () => {
    await expect(files.list(at('gone'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await files.stat(at('gone'))).toBeUndefined();
    writeFileSync(at('x'), '');
    await expect(files.list(at('x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test.each([
    ['small', 3, 5],
    ['as long as that', 5, 5],
    ['longer', 9, 5],
    ['large, with a large limit', 9000, 8000],
    ['empty', 0, 5],
  ])(
    'of a file that is %s, one byte more than the limit is read at most',
    async (_what, size, limit) => {
      writeFileSync(at('x'), 'x'.repeat(size));
      expect(await text(files, 'x', limit)).toBe('x'.repeat(Math.min(size, limit + 1)));
      expect(await text(files, 'x')).toBe('x'.repeat(size));
    },
  );

  test('links are not followed, and no read waits for a FIFO’s writer', async () => {
    symlinkSync('/dev/zero', at('link'));
    await expect(files.read(at('link'), 10)).rejects.toMatchObject({ code: 'ELOOP' });
    expect(await files.stat(at('link'))).toMatchObject({ kind: 'other' });
    execFileSync('mkfifo', [at('fifo')]);
    expect(await text(files, 'fifo', 10)).toBe('');
  });

  test('stat returns kind, size and mtime of an entry', async () => {
    await files.create(at('x'), 'content');
    const { mtimeMs: mtime, ctimeMs: ctime, mode, dev: device } = statSync(at('x'));
    const expected = { kind: 'file', size: 7, mtime, ctime, mode, device };
    expect(await files.stat(at('x'))).toEqual(expected);
    expect(await files.stat(folder)).toMatchObject({ kind: 'directory' });
  });
});

describe('modes', () => {
  const modeOf = (name: string): number => statSync(at(name)).mode & 0o777;
  const umasked = 0o666 & ~process.umask();

  test.each([
    ['writable by its owner only: by the umask', 0o755, umasked],
    ['writable by its group', 0o2775, umasked | 0o060],
    ['writable by all users', 0o777, umasked | 0o066],
  ])('has a file in a directory %s', async (_whose, mode, expected) => {
    chmodSync(folder, mode);
    const files = new NodeFiles();
    await files.create(at('created'), 'one');
    await files.append(at('appended'), 'one ');
    await files.append(at('appended'), 'two');
    expect([modeOf('created'), modeOf('appended')]).toEqual([expected, expected]);
    expect([await text(files, 'created'), await text(files, 'appended')]).toEqual([
      'one',
      'one two',
    ]);
    await expect(files.create(at('created'), 'two')).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test('asks for the mode of a directory once, however many files are created in it', async () => {
    chmodSync(folder, 0o2775);
    const files = new NodeFiles();
    await files.create(at('one'), '');
    chmodSync(folder, 0o700);
    await files.create(at('two'), '');
    expect(modeOf('two')).toBe(umasked | 0o060);
  });
});
