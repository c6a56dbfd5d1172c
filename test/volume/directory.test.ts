/** Making a directory that may be there. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureDirectory } from '../../src/volume/directory.ts';
import type { Files } from '../../src/volume/files.ts';
import { interceptFiles, quickFiles } from './harness.ts';

/** A cache that does not know of it yet. */
const blind = (): Files =>
  interceptFiles(quickFiles(), (_call, method, _args, act) =>
    method === 'stat' ? Promise.resolve(undefined) : act(),
  ).files;

test('one that is there stays as it is, whether a cache shows it or not; a file is no directory', async () => {
  const home = mkdtempSync(join(tmpdir(), 'flockwork-directory-'));
  try {
    const path = join(home, 'done');
    mkdirSync(path, { mode: 0o700 });
    for (const files of [quickFiles(), blind()]) await ensureDirectory(files, path);
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
