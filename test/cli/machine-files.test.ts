import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MachineFiles } from '../../src/cli/machine-files.ts';

const yaml = (name: string, ...states: string[]): string => `
name: ${name}
starting_state: ${states[0]}
activities: { ${states.map((state) => `${state}: { run: 'true' }`).join(', ')} }
`;

let folder: string;
let files: MachineFiles;

const put = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const statesOf = (name: string): string[] | undefined => {
  const [newest] = files.registry.get(name) ?? [];
  return newest === undefined ? undefined : [...newest.activities.keys()];
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'flockwork-machines-'));
  put('a.yaml', yaml('a', 'one'));
  files = new MachineFiles([folder]);
  await files.load();
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('MachineFiles', () => {
  test('reload uses changed and new files', async () => {
    const [before, path] = [files.registry, put('a.yaml', yaml('a', 'one', 'two'))];
    const other = put('b.yaml', yaml('b', 'three'));
    expect(await files.reload(1, [path, other])).toEqual([{ file: path }, { file: other }]);
    expect([statesOf('a'), statesOf('b')]).toEqual([['one', 'two'], ['three']]);
    // Another object: what was resolved before stays as it was.
    expect(files.registry).not.toBe(before);
    expect(before.has('b')).toBe(false);
    expect(files.registry.has('simple')).toBe(true);
  });

  test('reload keeps the last good version of a broken file, and reports the place of the error', async () => {
    const before = files.registry;
    const path = put('a.yaml', 'name: a\nstarting_state: [');
    const [reloaded] = await files.reload(1, [path]);
    expect(reloaded!.problem!.message).toMatch(/a\.yaml:\d+:\d+: /);
    expect(files.registry).toBe(before);
  });

  test('reload refuses a second machine of the same name, unless its file was renamed', async () => {
    const other = put('b.yaml', yaml('a', 'two'));
    const [refused] = await files.reload(1, [other]);
    expect(refused!.problem!.message).toContain('two machines a');
    expect(statesOf('a')).toEqual(['one']);
    renameSync(other, join(folder, 'a.yaml'));
    renameSync(join(folder, 'a.yaml'), other);
    expect(await files.reload(2, [other])).toEqual([{ file: other }]);
    expect(statesOf('a')).toEqual(['two']);
  });

  test('reload keeps the machine of a removed file', async () => {
    rmSync(join(folder, 'a.yaml'));
    expect(await files.reload(1)).toEqual([]);
    expect(statesOf('a')).toEqual(['one']);
  });

  test('reload loads the valid files of a folder that was empty', async () => {
    put('broken.yaml', '{');
    const late = new MachineFiles([folder]);
    const reloaded = await late.reload(7);
    expect(reloaded.map(({ problem }) => problem === undefined)).toEqual([true, false]);
    expect(late.registry.has('a')).toBe(true);
    expect(late.version).toBe(7);
  });

  test('reload refuses a machine with new sensors', async () => {
    const path = put(
      'gate.yaml',
      `
name: gate
starting_state: shut
states: [shut, open]
transitions: [{ from: shut, to: open, event: go, when: { in: { light: [green] } } }]
`,
    );
    const [reloaded] = await files.reload(1, [path]);
    expect(reloaded!.problem).toBeDefined();
    expect(statesOf('gate')).toBeUndefined();
  });
});
