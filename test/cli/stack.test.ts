/** The line of a stack that is the user's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placeOf, shownPlace, userPlace } from '../../src/cli/stack.ts';

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

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'flockwork-place-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('placeOf', () => {
  test('reads the place that Node prints above the line', () => {
    const shown =
      'file:///m/b.ts?flockwork=9:3\n  a: 1,\n     ^\n\nSyntaxError: Expression expected';
    expect(shownPlace(shown)).toBe('/m/b.ts:3:6');
    expect(shownPlace('/m/d.mjs:3\n  b: = 2 };\n     ^\n')).toBe('/m/d.mjs:3:6');
    expect(shownPlace('/m/e.mjs:2\n\n\n\nSyntaxError: Unexpected end of input')).toBe(
      '/m/e.mjs:2:1',
    );
    expect(shownPlace("SyntaxError: Unexpected token '='\n    at x")).toBeUndefined();
  });

  test('returns the first frame outside the package', () => {
    const stack = [
      'UserError: machine door: no states',
      `    at refuse (file://${SRC}/machine/machine.ts:12:9)`,
      `    at machine (file://${SRC}/machine/machine.ts:40:3)`,
      '    at file:///m/my%20door.ts?flockwork=2:5:16',
      '    at ModuleJob.run (node:internal/modules/esm/module_job:430:25)',
    ].join('\n');
    expect(placeOf(Object.assign(new Error('x'), { stack }), '/m/my door.ts')).toBe(
      '/m/my door.ts:5:16',
    );
  });

  test('finds a syntax error in an ES module, whose stack lacks the place', () => {
    const file = join(folder, 'bad.mjs');
    writeFileSync(file, 'export default {\n  a: = 1,\n};\n');
    const error = new SyntaxError("Unexpected token '='");
    error.stack = "SyntaxError: Unexpected token '='\n    at node:internal/x:1:2";
    expect(placeOf(error, file)).toBe(`${file}:2:6`);
  });

  test('returns undefined when Node reports no place', () => {
    const error = new Error('x');
    error.stack = 'Error: x';
    expect(placeOf(error, join(folder, 'none.mjs'))).toBeUndefined();
  });
});
