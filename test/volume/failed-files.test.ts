/** Failed states whose file is another by now: they come back by themselves. */
import { chmodSync, mkdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/machine/fingerprint.ts';
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

/** As in an Update System after a snapshot. */
async function lookAgain(
  { session }: TestSession,
  runs: (file: StateFile) => Promise<boolean> = never,
  cycle = 1,
): Promise<readonly string[]> {
  await session.snapshot();
  return session.bringBack(cycle, OPEN, runs);
}

describe('a state that has failed for what its file said', () => {
  test('stays as long as the file says the same, and is available again when it does not', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('a.state', '{"state":');
    fail(volume, 'a.state', { file: print('{"state":') });
    mkdirSync(join(volume.dir, '.flockwork/attempts/a.state'));
    volume.put('.flockwork/attempts/a.state/refused.bee.1', 'r');
    expect(await lookAgain(ant)).toEqual([]);
    expect((await ant.session.snapshot()).tasks.size).toBe(0);
    volume.put('a.state');
    expect(await lookAgain(ant)).toEqual(['a.state']);
    expect(volume.list('.flockwork/attempts')).toEqual([]);
    expect((await ant.session.snapshot()).tasks.names).toEqual(['a.state']);
  });

  test('a look that finds the file untouched does not read it', async () => {
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

  test('a directory, a link or a FIFO that has become a file', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    mkdirSync(join(volume.dir, 'a.state'));
    fail(volume, 'a.state', { code: 'not-a-file', file: 'not-a-file' });
    expect(await lookAgain(ant)).toEqual([]);
    rmdirSync(join(volume.dir, 'a.state'));
    expect(await lookAgain(ant)).toEqual([]);
    volume.put('a.state');
    expect(await lookAgain(ant)).toEqual(['a.state']);
  });

  test('one that could not be read, and can be read now', async () => {
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
    expect(await lookAgain(ant)).toEqual([]);
    isForbidden = false;
    // Its owner has let us read it: neither its content nor its time of writing are others.
    chmodSync(join(volume.dir, 'a.state'), 0o640);
    expect(await lookAgain(ant)).toEqual(['a.state']);
  });

  test('one that no worker knew, when one has come that does', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    volume.put('a.state');
    fail(volume, 'a.state', { code: 'unknown-state', file: print(volume.read('a.state')) });
    expect(await lookAgain(ant)).toEqual([]);
    const asked: string[] = [];
    const runs = async ({ state }: StateFile): Promise<boolean> => asked.push(state) > 0;
    expect(await lookAgain(ant, runs)).toEqual(['a.state']);
    expect(asked).toEqual(['simple']);
  });

  test('of any other failure nothing brings it back, nor when its file is gone, or the phase over', async () => {
    using volume = await TestVolume.create();
    const ant = await volume.join('ant');
    for (const name of ['tried.state', 'old.state', 'gone.state', 'late.state']) volume.put(name);
    fail(volume, 'tried.state', { code: 'attempts-exhausted' });
    volume.put('failed/old.state', '');
    fail(volume, 'gone.state', { file: 'other' });
    rmSync(join(volume.dir, 'gone.state'));
    const runs = async (): Promise<boolean> => true;
    expect(await lookAgain(ant, runs)).toEqual([]);
    fail(volume, 'late.state', { file: 'other' });
    await ant.session.snapshot();
    expect(await ant.session.bringBack(1, CLOSED, runs)).toEqual([]);
    expect(volume.list('failed')).toHaveLength(4);
  });

  test('a flag that is another by now is left alone, whatever the first one said', async () => {
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
    expect(await lookAgain(ant)).toEqual([]);
    expect(volume.read('failed', 'a.state')).toContain('attempts-exhausted');
  });

  test('of many, some in each cycle, until all were looked at', async () => {
    using volume = await TestVolume.create();
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    const names = Array.from({ length: 150 }, (_, index) => `s${index}.state`);
    for (const name of names) {
      volume.put(name);
      fail(volume, name, { file: 'other' });
    }
    const back: string[] = [];
    for (let cycle = 0; cycle < 48 && back.length < names.length; cycle += 1) {
      for (const one of [ant, bee]) {
        const found = await lookAgain(one, never, cycle);
        expect(found.length).toBeLessThanOrEqual(64);
        back.push(...found);
      }
    }
    expect(back.toSorted()).toEqual(names.toSorted());
  });
});
