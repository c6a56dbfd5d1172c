/** What others wrote, on the way to a terminal. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { oneLine, shown, shownPainted } from '../../src/cli/shown.ts';
import { flagTable, paint, table, workTable } from '../../src/cli/tables.ts';

const EVIL = '\u001b]0;title\u0007\u001b[2J\u001b[31mred\u009b1m\u007f\r\b';
/** What a terminal may act upon. Line feeds and tabs are the caller's. */
const ACTS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

describe('shown', () => {
  test('escapes control characters as JSON does, and keeps lines and tabs', () => {
    expect(shown('a\tb\r\nc\u001b[2J\u202e')).toBe('a\tb\nc\\u001b[2J\\u202e');
  });

  test('leaves no control character, and does not change the meaning of JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(shown(text)).not.toMatch(ACTS);
        expect(oneLine(text)).not.toMatch(/[\t\n]/);
        expect(JSON.parse(shown(JSON.stringify(text)))).toBe(text);
      }),
    );
  });

  test('keeps only colours, if the stream has them', () => {
    const text = '\u001b[31mred\u001b[39m\u001b[2J';
    expect(shownPainted(text, true)).toBe('\u001b[31mred\u001b[39m\\u001b[2J');
    expect(shownPainted(text, false)).toBe(shown(text));
  });
});

describe('tables and reasons', () => {
  const failure = { flockwork: 1, session: '', worker: '', at: '', code: 'x' } as const;
  const counts = { available: 0, delayed: 0, inProgress: 0, waiting: 0, events: 0 };
  const entry = { started: '', duration: 1, session: '', attempt: 1, result: 'done' } as const;

  test.each([
    ['a cell', table(['a'], [[EVIL]])],
    ['what is painted', paint('red', EVIL)],
    [
      'a reason',
      flagTable({ ...counts, done: 0, failed: 1, archived: 0 }, false, [
        { ...failure, state: EVIL, reason: EVIL },
      ]),
    ],
    ['a tick', workTable([{ ...entry, state: EVIL, machine: EVIL, worker: EVIL }])],
  ])('%s escapes control sequences', (_what, text) => {
    expect(text).toContain('\\u001b');
    expect(text).not.toMatch(ACTS);
  });

  test('a cell is one line', () => {
    expect(table(['a'], [['x\ny']]).split('\n')).toEqual(['a', 'x\\ny']);
  });
});
