/** Every snippet of docs/checking.md works: modules compile, commands print the text below them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Snippets } from '../snippets.ts';

const ROOT = join(import.meta.dirname, '../..');
const snippets = new Snippets('docs/checking.md');
beforeAll(() => snippets.open());
afterAll(() => snippets.close());

/** Removes figures that differ from run to run. */
const timeless = (text: string): string =>
  text.replace(/\d+\.\d s, [\d,]+ states\/s, \d+ MB/g, '… s, … states/s, … MB');

test('every snippet is tested', () => {
  expect(snippets.all.map(({ language }) => language)).toEqual([
    'ts',
    'console',
    'ts',
    'console',
    'console',
  ]);
  expect(snippets.page.match(/^```\w/gm)).toHaveLength(snippets.all.length);
});

test('modules compile', async () => {
  expect(await snippets.compile()).toBe('');
});

test.each(snippets.sessions)('%s', async (command, output) => {
  const [program, ...args] = command.split(' ');
  expect(program).toBe('flockwork');
  expect(timeless(await snippets.flockwork(...args))).toBe(timeless(output));
});

test('every rule of the battle deck is in the table of violations', () => {
  const tried = readFileSync(join(ROOT, 'test/check/battle-deck.test.ts'), 'utf8');
  const rows = [...snippets.page.matchAll(/^\| ((?:the|no) [^|]*?) +\|[^|]*\| +\d+ \|$/gm)].map(
    ([, rule]) => rule!,
  );
  expect(rows).toHaveLength(9);
  for (const rule of rows) expect(tried).toContain(`'${rule}'`);
});
