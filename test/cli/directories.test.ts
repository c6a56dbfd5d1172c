import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { directoriesOf, directoryOf, shardOf } from '../../src/cli/directories.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'flockwork-volumes-'));
  for (const name of ['vol-2', 'vol-1', 'odd[1]', 'odd1']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'vol-notes.txt'), '');
  symlinkSync(join(root, 'vol-1'), join(root, 'link'));
});
afterAll(() => rmSync(root, { recursive: true }));

const given = (...names: string[]): string[] =>
  directoriesOf({ dir: names.map((name) => join(root, name)) }).map((one) => relative(root, one));

describe('--dir', () => {
  test.each([
    [['vol-1'], ['vol-1']],
    [
      ['vol-2', 'vol-1'],
      ['vol-2', 'vol-1'],
    ],
    [['vol-*'], ['vol-1', 'vol-2']],
    [
      ['vol-{1,2}', 'odd1'],
      ['vol-1', 'vol-2', 'odd1'],
    ],
    // Whoever names a directory means it, whatever its name looks like.
    [['odd[1]'], ['odd[1]']],
    // Others say that it is not there, or make it.
    [['none-yet'], ['none-yet']],
  ])('%j is %j', (names, expected) => expect(given(...names)).toEqual(expected));

  test('is taken from where one is', () =>
    expect(directoriesOf({ dir: ['here'] })).toEqual([join(process.cwd(), 'here')]));

  test.each([
    [['nope-*'], 'no directory matches'],
    [['vol-n*'], 'no directory matches'],
    [['vol-1', 'vol-1'], 'vol-1 is given twice'],
    [['none-yet', './none-yet'], 'none-yet is given twice'],
    [['vol-1', 'vol-*'], 'vol-1 is given twice'],
    [['vol-1', 'link'], 'are one directory; give each volume once'],
    [[], 'say --dir'],
  ])('%j is refused', (names, words) => expect(() => given(...names)).toThrow(words));

  test('several are refused where there can be one only', () => {
    const dir = [join(root, 'vol-*')];
    expect(() => directoryOf({ dir }, 'doctor')).toThrow('doctor takes one volume, not 2');
    expect(directoryOf({ dir: [root] }, 'doctor')).toBe(root);
  });
});

describe('the volume of an instance', () => {
  const volumes = ['/mnt/vol-1', '/mnt/vol-2', '/mnt/vol-3', '/mnt/vol-4'];
  const instances = Array.from({ length: 4000 }, (_, index) => `order-${index}`);

  test('is the same in whatever order they are given', () => {
    for (const instance of instances) {
      expect(shardOf(instance, volumes.toReversed())).toBe(shardOf(instance, volumes));
    }
  });

  test('is each as often as any other', () => {
    for (const volume of volumes) {
      const share = instances.filter((one) => shardOf(one, volumes) === volume).length;
      expect(Math.abs(share - 1000), volume).toBeLessThan(100);
    }
  });

  test('stays what it was when there is one more, or is the new one', () => {
    const more = [...volumes, '/mnt/vol-5'];
    const moved = instances.filter((one) => shardOf(one, more) !== shardOf(one, volumes));
    expect(moved.every((one) => shardOf(one, more) === '/mnt/vol-5')).toBe(true);
    expect(Math.abs(moved.length - 800)).toBeLessThan(100);
  });
});
