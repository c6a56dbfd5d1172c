/** What runs before anything else: on an old Node it must still parse, and say what it needs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const main = readFileSync(join(ROOT, 'src/cli/main.ts'), 'utf8');

test('main.ts requires the same Node version as package.json', () => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  const [, major, minor] = /MINIMUM_NODE\b.* = \[(\d+), (\d+)\]/.exec(main)!;
  expect(engines.node).toBe(`>=${major}.${minor}`);
});

test('main.ts has no static named imports, which an old Node may lack', () => {
  const imports = main.match(/^import .*$/gm);
  expect(imports).toEqual(["import * as nodeModule from 'node:module';"]);
});
