/** The scripts of `.ci/`: what they name is there. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

test.each(['.ci/run', '.ci/nightly', 'CONTRIBUTING.md'])(
  '%s names only scripts that package.json has',
  (path) => {
    const named = Array.from(
      read(path).matchAll(/\bnpm run (?:-s )?([a-z:]+)/g),
      ([, name]) => name,
    );
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((name) => scripts[name!] === undefined)).toEqual([]);
  },
);

test('.ci/check names only scripts that package.json has', () => {
  const [, steps = ''] = /^for step in (.*); do$/m.exec(read('.ci/check'))!;
  const named = steps.split(' ');
  expect(named).toContain('test:quick');
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});

test('each place of test:quick has tests', () => {
  const places = scripts['test:quick']!.split(' ').filter((word) => word.startsWith('test/'));
  expect(places.length).toBeGreaterThan(5);
  const empty = places.filter((place) => {
    const pattern = place.endsWith('/') ? `${place}**/*.test.ts` : `${place}*.test.ts`;
    return globSync(pattern, { cwd: ROOT }).length === 0;
  });
  expect(empty).toEqual([]);
});

test.each(['.ci/run', '.ci/nightly', '.ci/steps'])(
  '%s is a bash script without syntax errors',
  (path) => {
    expect(execFileSync('bash', ['-n', path], { cwd: ROOT, encoding: 'utf8' })).toBe('');
  },
);
