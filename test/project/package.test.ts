/** What is published: built from scratch, listed, and run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renderSchemas } from '../../src/cli/schemas.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = (command: string, args: string[], cwd = ROOT): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

test('the packed files are the built code, the schemas, the docs and the examples, and the command runs from them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-pack-'));
  try {
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder])) as [
      { filename: string; files: { path: string; mode: number }[] },
    ];
    const paths = packed.files.map(({ path }) => path);
    const outside = paths
      .filter((path) => !/^dist\/.*\.(js|d\.ts)$|^(docs|examples)\//.test(path))
      .sort();
    expect(outside).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json',
      'schemas/configuration.schema.json',
      'schemas/state-file.schema.json',
    ]);
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/xstate/index.js',
      'dist/xstate/index.d.ts',
      'dist/cli/main.js',
      'dist/cli/tick-thread.js',
      'dist/volume/heartbeat-thread.js',
      'dist/doctor/peer-process.js',
      'docs/machines.md',
      'examples/pipeline/run.sh',
    ]) {
      expect(paths).toContain(path);
    }
    // Its dependencies are those of the checkout; everything else comes from the package.
    run('tar', ['-xzf', packed.filename, '-C', folder], folder);
    run('ln', ['-s', join(ROOT, 'node_modules'), join(folder, 'package/node_modules')]);
    const main = join(folder, 'package/dist/cli/main.js');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(run(main, ['--version']).trim()).toBe(version);
    const states = [
      'up',
      join(ROOT, 'simpleStates'),
      '--dir',
      join(folder, 'states'),
      '--workers',
      '2',
      '--threads',
      '1',
    ];
    const out = run(main, [...states, '--example-delay', '0', '--json']);
    expect(JSON.parse(out.trim().split('\n').at(-1)!)).toMatchObject({
      done: 3,
      failed: [],
      left: 0,
    });
    // Its other processes are found beside it.
    const examined = JSON.parse(run(main, ['doctor', join(folder, 'states'), '--json']));
    expect(examined).toMatchObject({ usable: true, measured: { race: { twoWinners: 0 } } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the schemas are those of the code: `npm run schemas` writes them', () => {
  for (const [file, text] of renderSchemas()) {
    expect(readFileSync(join(ROOT, 'schemas', file), 'utf8')).toBe(text);
  }
});
