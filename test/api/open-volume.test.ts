/** What is known of a volume before anything is measured. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cautionsOf, type InspectedVolume } from '../../src/api/open-volume.ts';
import { openEngine } from '../../src/index.ts';
import { LOCAL_PHASES, NETWORK_PHASES } from '../../src/volume/phases/cycle.ts';

const FINE: InspectedVolume = {
  fileSystem: { type: 'ext4', network: false, options: ['rw'] },
  mode: 0o40_775,
  isSynced: true,
  phases: LOCAL_PHASES,
};
const NFS = { type: 'nfs4', network: true, options: ['rw', 'hard'] };

describe('inspecting a volume', () => {
  test('has nothing to say of a disk with usual settings', () => {
    expect(cautionsOf(FINE)).toEqual([]);
    expect(cautionsOf({ ...FINE, phases: undefined })).toEqual([]);
  });

  test.each<[string, Partial<InspectedVolume>, string[]]>([
    ['a directory in memory', { fileSystem: { ...FINE.fileSystem, type: 'tmpfs' } }, ['in-memory']],
    ['commits without fsync', { isSynced: false }, ['unsynced']],
    ['a directory that all may write', { mode: 0o41_777 }, ['world-writable']],
    ['a network', { fileSystem: NFS, phases: NETWORK_PHASES }, ['file-system']],
    ['a network with phases of a disk', { fileSystem: NFS }, ['file-system', 'short-phases']],
    ['a network before the first worker', { fileSystem: NFS, phases: undefined }, ['file-system']],
  ])('warns of %s', (_what, more, codes) => {
    expect(cautionsOf({ ...FINE, ...more }).map(({ code }) => code)).toEqual(codes);
  });

  test('is part of the engine that a program opens', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'flockwork-inspect-'));
    try {
      chmodSync(directory, 0o777);
      const engine = await openEngine(`volume:${directory}`, { fsync: false });
      const codes = (await engine.inspect()).map(({ code }) => code);
      expect(codes).toEqual(expect.arrayContaining(['unsynced', 'world-writable']));
      await engine.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
