/** The assumptions of the check: its volume is like a real one, and it sees all operations of the code. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { errnoOf } from '../../../src/volume/files.ts';
import { NodeFiles } from '../../../src/volume/node-files.ts';
import { extract } from './automaton.ts';
import { apply, type Entries, type Op } from './memory.ts';

const directory = fc.constantFrom('/d', '/e');
const file = fc.constantFrom('/a', '/d/a', '/d/b', '/e/a');
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.tuple(fc.constantFrom('list', 'makeDirectory', 'removeDirectory'), directory),
  fc.tuple(fc.constantFrom('stat', 'read', 'unlink'), file),
  fc.tuple(fc.constant('create'), file, fc.constantFrom('1', '2')),
  fc.tuple(fc.constant('link'), file, file),
) as fc.Arbitrary<Op>;

async function onDisk(root: string, [method, path, argument = '']: Op): Promise<string> {
  const files = new NodeFiles();
  const at = root + path;
  switch (method) {
    case 'list':
      return JSON.stringify((await files.list(at)).sort());
    case 'stat':
      return (await files.stat(at))?.kind ?? 'ENOENT';
    case 'read':
      return `=${new TextDecoder().decode(await files.read(at))}`;
    case 'link':
      await files.link(root + argument, at);
      return 'ok';
    default:
      await files[method as 'create'](at, argument);
      return 'ok';
  }
}

test('the volume in memory replies as a directory does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { maxLength: 30 }), async (ops) => {
      const root = mkdtempSync(join(tmpdir(), 'flockwork-memory-'));
      try {
        let entries: Entries = new Map([['', undefined]]);
        for (const one of ops) {
          const applied = apply(entries, one);
          const real = await onDisk(root, one).catch((error: unknown) => errnoOf(error));
          expect([one, applied.reply]).toEqual([one, real]);
          entries = applied.entries;
        }
      } finally {
        rmSync(root, { recursive: true });
      }
    }),
  );
});

test('an automaton has a node for each call, and one for calls that lead to the same', async () => {
  const { nodes, runs } = await extract(
    {
      start: 'begin',
      run: async (_place, ask) => {
        const there = await ask(['stat', '/a']);
        await ask(['unlink', there === 'file' ? '/a' : '/b']);
        await ask(['unlink', '/c']);
        return 'over';
      },
    },
    ([method]) => (method === 'stat' ? ['file', 'ENOENT'] : ['ok', 'EIO']),
  );
  expect(nodes.filter(({ next }) => next.size > 0).map(({ op: [, path] }) => path)).toEqual([
    '/c',
    '/a',
    '/b',
    '/a',
  ]);
  expect(runs).toBe(15);
});

test('code that waits for two calls at once is refused', async () => {
  const program = {
    start: 'begin',
    run: async (_place: string, ask: (one: Op) => Promise<string>) => {
      await Promise.all([ask(['read', '/a']), ask(['read', '/b'])]);
      return 'over';
    },
  };
  await expect(extract(program, () => ['=', 'ENOENT'])).rejects.toThrow('calls at once');
});
