import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { directoriesOf, directoryOf } from '../../src/cli/volumes.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'flockwork-volumes-'));
  for (const name of ['vol-2', 'vol-1', 'odd[1]']) mkdirSync(join(root, name));
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
    // The name of a directory that exists is not a pattern.
    [['odd[1]'], ['odd[1]']],
    // The command reports that it does not exist, or creates it.
    [['none-yet'], ['none-yet']],
  ])('accepts %j as %j', (names, expected) => expect(given(...names)).toEqual(expected));

  test('is relative to the working directory', () =>
    expect(directoriesOf({ dir: ['here'] })).toEqual([join(process.cwd(), 'here')]));

  test.each([
    [['vol-*'], 'patterns are not expanded; repeat --dir for each volume'],
    [['vol-1', 'vol-{2,3}'], 'patterns are not expanded'],
    [['none[1]'], 'there is no such directory'],
    [['vol-1', 'vol-1'], 'vol-1 is given twice'],
    [['none-yet', './none-yet'], 'none-yet is given twice'],
    [['vol-1', 'link'], 'are one directory; give each volume once'],
    [[], 'expected a volume, got none'],
  ])('refuses %j', (names, words) => expect(() => given(...names)).toThrow(words));

  test('refuses several volumes for a command that takes one', () => {
    const dir = [join(root, 'vol-1'), join(root, 'vol-2')];
    expect(() => directoryOf({ dir }, 'doctor')).toThrow('doctor takes one volume, not 2');
    expect(directoryOf({ dir: [root] }, 'doctor')).toBe(root);
  });
});
