/** The line of a stack that is the user's own. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { userPlace } from '../../src/cli/stack.ts';

const SRC = join(import.meta.dirname, '../../src');

describe('userPlace', () => {
  test.each([
    [
      'a function',
      'Error: x\n    at inner (file:///home/me/jobs/count.ts:12:20)',
      'count.ts:12:20',
    ],
    ['no function', 'Error: x\n    at /home/me/jobs/count.ts:3:1', 'count.ts:3:1'],
    [
      'an async one',
      'Error: x\n    at async tick (file:///home/me/jobs/a%20b.ts:3:1)',
      'a b.ts:3:1',
    ],
    ['one elsewhere', 'Error: x\n    at f (/srv/lib/b.js:1:2)', '/srv/lib/b.js:1:2'],
    ['a module loaded again', 'x\n    at f (file:///home/me/jobs/c.ts?v=2:1:2)', 'c.ts:1:2'],
  ])('in %s', (_what, stack, place) => {
    expect(userPlace(stack, '/home/me/jobs')).toBe(place);
  });

  test('returns the first place outside Node, packages and this program', () => {
    const stack = [
      'Error: x at (/not/this.ts:1:1) says',
      '    at JSON.parse (<anonymous>)',
      '    at run (node:internal/modules:1:1)',
      '    at lib (file:///home/me/jobs/node_modules/lib/index.js:1:1)',
      `    at startAttempt (file://${SRC}/worker/executor.ts:1:1)`,
      '    at tick (file:///home/me/jobs/mine.ts:5:6)',
    ].join('\n');
    expect(userPlace(stack, '/home/me/jobs')).toBe('mine.ts:5:6');
  });

  test.each([undefined, '', 'Error: x', 'Error: x\n    at <anonymous>'])(
    'of %j is none',
    (stack) => {
      expect(userPlace(stack, '/')).toBe(undefined);
    },
  );
});
