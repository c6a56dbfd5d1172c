/** Failed states become available again when their file has changed. */
import { chmodSync, mkdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/volume/failed-files.ts';
import type { FailureRecord } from '../../src/machine/record.ts';
import type { StateFile } from '../../src/machine/state-file.ts';
import {
  CLOSED,
  interceptFiles,
  OPEN,
  quickFiles,
  TestVolume,
  type TestSession,
} from './harness.ts';

const print = (text: string): string => fingerprint(new TextEncoder().encode(text));
const never = async (): Promise<boolean> => false;

function fail(volume: TestVolume, name: string, more: Partial<FailureRecord>): void {
  const record = { flockwork: 1, state: name, session: 's', worker: 'w', at: 'now', reason: 'r' };
  volume.put(`failed/${name}`, { ...record, code: 'bad-json', ...more });
}

/** Like an Update System after a snapshot. */
async function retryFailed(
  { session }: TestSession,
  runs: (file: StateFile) => Promise<boolean> = never,
  cycle = 1,
): Promise<readonly string[]> {
  await session.snapshot();
  return session.bringBack(cycle, OPEN, runs);
}

describe('a state that failed because of its file', () => {
  test('stays failed until the file has other content', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('a.state', '{"state":');
    fail(volume, 'a.state', { file: print('{"state":') });
    mkdirSync(join(volume.dir, '.flockwork/attempts/a.state'));
    volume.put('.flockwork/attempts/a.state/refused.bee.1', 'r');
    expect(await retryFailed(ant)).toEqual([]);
    expect((await ant.session.snapshot()).tasks.size).toBe(0);
    volume.put('a.state');
    expect(await retryFailed(ant)).toEqual(['a.state']);
    expect(volume.list('.flockwork/attempts')).toEqual([]);
    expect((await ant.session.snapshot()).tasks.names).toEqual(['a.state']);
  });

  test('is not read again while its file is unchanged', async () => {
    using volume = await TestVolume.create();
    let reads = 0;
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path!.endsWith('/a.state')) reads += 1;
      return act();
    });
    const ant = await volume.join('ant', files);
    volume.put('a.state', '{');
    fail(volume, 'a.state', { file: print('{') });
    await ant.session.snapshot();
    for (let cycle = 0; cycle < 5; cycle += 1) await ant.session.bringBack(cycle, OPEN, never);
    // The flag, and the file.
    expect(reads).toBe(2);
  });

  test('is retried when a directory, a link or a FIFO has become a file', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    mkdirSync(join(volume.dir, 'a.state'));
    fail(volume, 'a.state', { code: 'not-a-file', file: 'not-a-file' });
    expect(await retryFailed(ant)).toEqual([]);
    rmdirSync(join(volume.dir, 'a.state'));
    expect(await retryFailed(ant)).toEqual([]);
    volume.put('a.state');
    expect(await retryFailed(ant)).toEqual(['a.state']);
  });

  test('is retried when the file can be read now', async () => {
    using volume = await TestVolume.create();
    let isForbidden = true;
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (isForbidden && method === 'read' && path === volume.layout.state('a.state')) {
        throw Object.assign(new Error('no'), { code: 'EACCES' });
      }
      return act();
    });
    const ant = await volume.join('ant', files);
    volume.put('a.state');
    fail(volume, 'a.state', { code: 'EACCES', file: 'EACCES' });
    expect(await retryFailed(ant)).toEqual([]);
    isForbidden = false;
    // Its owner has allowed reading: content and mtime are the same.
    chmodSync(join(volume.dir, 'a.state'), 0o640);
    expect(await retryFailed(ant)).toEqual(['a.state']);
  });

  test('is retried when a worker has come that knows its machine', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('a.state');
    fail(volume, 'a.state', { code: 'unknown-state', file: print(volume.read('a.state')) });
    expect(await retryFailed(ant)).toEqual([]);
    const asked: string[] = [];
    const runs = async ({ state }: StateFile): Promise<boolean> => asked.push(state) > 0;
    expect(await retryFailed(ant, runs)).toEqual(['a.state']);
    expect(asked).toEqual(['simple']);
  });

  test('stays failed for any other failure, when its file is gone, or when the phase has ended', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    for (const name of ['tried.state', 'old.state', 'gone.state', 'late.state']) volume.put(name);
    fail(volume, 'tried.state', { code: 'attempts-exhausted' });
    volume.put('failed/old.state', '');
    fail(volume, 'gone.state', { file: 'other' });
    rmSync(join(volume.dir, 'gone.state'));
    const runs = async (): Promise<boolean> => true;
    expect(await retryFailed(ant, runs)).toEqual([]);
    fail(volume, 'late.state', { file: 'other' });
    await ant.session.snapshot();
    expect(await ant.session.bringBack(1, CLOSED, runs)).toEqual([]);
    expect(volume.list('failed')).toHaveLength(4);
  });

  test('keeps a newer failed flag', async () => {
    using volume = await TestVolume.create();
    let isLate = false;
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (!isLate && method === 'read' && path === volume.layout.state('a.state')) {
        isLate = true;
        unlinkSync(volume.layout.flag('failed', 'a.state'));
        fail(volume, 'a.state', { code: 'attempts-exhausted' });
      }
      return act();
    });
    const ant = await volume.join('ant', files);
    volume.put('a.state');
    fail(volume, 'a.state', { file: 'other' });
    expect(await retryFailed(ant)).toEqual([]);
    expect(volume.read('failed', 'a.state')).toContain('attempts-exhausted');
  });

  test('is retried within a few cycles when there are many, a limited number per cycle', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const names = Array.from({ length: 150 }, (_, index) => `s${index}.state`);
    for (const name of names) {
      volume.put(name);
      fail(volume, name, { file: 'other' });
    }
    const retried: string[] = [];
    for (let cycle = 0; cycle < 48 && retried.length < names.length; cycle += 1) {
      for (const one of [ant, bee]) {
        const found = await retryFailed(one, never, cycle);
        expect(found.length).toBeLessThanOrEqual(64);
        retried.push(...found);
      }
    }
    expect(retried.toSorted()).toEqual(names.toSorted());
  });
});
