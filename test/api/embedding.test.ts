/** Every snippet of docs/embedding.md: programs compile, run, and print what stands below them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nameOf, Snippets } from '../snippets.ts';

const snippets = new Snippets('docs/embedding.md');

beforeAll(() => snippets.open());
afterAll(() => snippets.close());

test('programs compile', async () => {
  expect(snippets.sources.map(nameOf)).toEqual([
    'hello.ts',
    'batch.ts',
    'events.ts',
    'many.ts',
    'errors.ts',
    'faults.ts',
  ]);
  expect(await snippets.compile()).toBe('');
});

test.each(snippets.sessions)('%s', async (command, output) => {
  const file = command.replace(/^node /, '');
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
  const { stdout } = await promisify(execFile)(process.execPath, [join(snippets.folder, file)], {
    env,
  });
  expect(stdout).toBe(output);
});
