/** New instances: their names and payloads, with a count, for files, and from lines. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countedInstances, instancesOfFiles, instancesOfLines } from '../../src/cli/candidates.ts';
import type { Candidate } from '../../src/engine/validate.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'flockwork-new-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const payloadOf = ({ bytes }: Candidate): unknown =>
  (JSON.parse(new TextDecoder().decode(bytes)) as { payload: unknown }).payload;
const never = new AbortController().signal;

describe('countedInstances', () => {
  test.each([
    [1, 'job', ['job.state']],
    [2, 'job', ['job-1.state', 'job-2.state']],
    [1, undefined, ['m-u-1.state']],
  ])('names %i with the name %s', (count, given, names) => {
    const all = countedInstances('m:v1', '{"a": 1}', count, { given, unique: 'u' });
    expect(all.map(({ name }) => name)).toEqual(names);
    expect(JSON.parse(new TextDecoder().decode(all[0]!.bytes))).toEqual({
      state: 'm',
      machine: 'm:v1',
      payload: { a: 1 },
    });
  });

  test('refuses a payload that is not JSON', () => {
    const prefix = { given: undefined, unique: 'u' };
    expect(() => countedInstances('m', '{', 1, prefix)).toThrow(
      'cannot use --payload: line 1, column 2: not JSON',
    );
  });
});

describe('instancesOfFiles', () => {
  test('returns one instance for each file, the same each time', () => {
    mkdirSync(join(folder, 'deep'));
    for (const name of ['a b".jpg', 'c.jpg', '.hidden']) writeFileSync(join(folder, name), '');
    writeFileSync(join(folder, 'deep', 'c.jpg'), '');
    const paths = [folder, join(folder, 'deep')];
    const all = instancesOfFiles('m', paths);
    expect(all.map(payloadOf)).toEqual(
      ['a b".jpg', 'c.jpg', 'deep/c.jpg'].map((name) => ({ path: join(folder, name) })),
    );
    expect(all[0]!.name).toMatch(/^m-a_b_-[0-9a-f]{8}\.state$/);
    expect(new Set(all.map(({ name }) => name)).size).toBe(3);
    expect(instancesOfFiles('m', paths)).toEqual(all);
  });

  test('throws when a path does not exist', () => {
    expect(() => instancesOfFiles('m', [join(folder, 'x')])).toThrow('ENOENT');
  });
});

describe('instancesOfLines', () => {
  const lines = (text: string): Promise<Candidate[]> => {
    const file = join(folder, 'l.jsonl');
    writeFileSync(file, text);
    return instancesOfLines('m', file, { given: 'job', unique: 'u' }, never);
  };

  test('returns one instance for each line that is not empty', async () => {
    const all = await lines('\ufeff{"a": 1}\r\n\n"text"\n');
    expect(all.map(({ name }) => name)).toEqual(['job-1.state', 'job-3.state']);
    expect(all.map(payloadOf)).toEqual([{ a: 1 }, 'text']);
  });

  test('throws with line and column of every line that is not JSON', async () => {
    await expect(lines('{"a": 1}\n{"a": }\nx\n')).rejects.toThrow(
      /nothing was submitted:\n {2}.*l\.jsonl:2:7: not JSON.*\n {2}.*l\.jsonl:3:1: not JSON/,
    );
  });
});
