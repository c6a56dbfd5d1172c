/** Making a directory that may exist. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensureDirectory } from '../../src/volume/atomic-files.ts';
import type { Files } from '../../src/volume/files.ts';
import { errno, interceptFiles, quickFiles } from './harness.ts';

/** A stale cache that does not show it yet. */
const staleFiles = (): Files =>
  interceptFiles(quickFiles(), (_call, method, _args, act) =>
    method === 'stat' ? Promise.resolve(undefined) : act(),
  ).files;

test('an existing directory keeps its mode, whether a cache shows it or not; a file is refused', async () => {
  const home = mkdtempSync(join(tmpdir(), 'flockwork-directory-'));
  try {
    const path = join(home, 'done');
    mkdirSync(path, { mode: 0o700 });
    for (const files of [quickFiles(), staleFiles()]) await ensureDirectory(files, path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    writeFileSync(join(home, 'file'), '');
    await expect(ensureDirectory(quickFiles(), join(home, 'file'))).rejects.toThrow('EEXIST');
    await expect(ensureDirectory(quickFiles(), join(home, 'none', 'done'))).rejects.toThrow(
      'ENOENT',
    );
  } finally {
    rmSync(home, { recursive: true });
  }
});

describe('a directory whose maker crashed before setting its mode', () => {
  const modeAfter = async (mode: number, act: (path: string) => void): Promise<number> => {
    const home = mkdtempSync(join(tmpdir(), 'flockwork-directory-'));
    try {
      chmodSync(home, 0o2775);
      const path = join(home, 'done');
      mkdirSync(path);
      chmodSync(path, mode);
      act(path);
      await ensureDirectory(quickFiles(), path);
      return statSync(path).mode & 0o7777;
    } finally {
      rmSync(home, { recursive: true });
    }
  };

  test('gets the missing permissions, and keeps the others', async () => {
    expect(await modeAfter(0o700, () => undefined)).toBe(0o2775);
    expect(await modeAfter(0o2777, () => undefined)).toBe(0o2777);
  });

  test('keeps its mode when it is not empty', async () => {
    expect(await modeAfter(0o700, (path) => writeFileSync(join(path, 'x'), ''))).toBe(0o700);
  });

  test('keeps its mode when another user owns it', async () => {
    const home = mkdtempSync(join(tmpdir(), 'flockwork-directory-'));
    try {
      chmodSync(home, 0o2775);
      mkdirSync(join(home, 'done'), { mode: 0o700 });
      const { files } = interceptFiles(quickFiles(), async (_call, method, _args, act) => {
        if (method === 'chmod') throw errno('EPERM');
        return act();
      });
      await expect(ensureDirectory(files, join(home, 'done'))).resolves.toBeUndefined();
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
