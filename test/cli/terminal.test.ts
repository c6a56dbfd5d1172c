/** Text for a terminal: what others wrote, a live view on terminals of all sizes, and the question before something is removed. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flagTable, namesText, paint, table, workTable } from '../../src/cli/tables.ts';
import { confirm, oneLine, screenful, shown, shownPainted } from '../../src/cli/terminal.ts';

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
  test('namesText lists the first names, escaped, and counts the rest', () => {
    expect(namesText(['a\n', 'b', 'c'], 2)).toBe('a\\n, b and 1 more');
    expect(namesText(['a', 'b'], 2)).toBe('a, b');
  });

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

const plain = (text: string): string[] =>
  text.replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, '').split('\n');

test('screenful draws a text that fits over the previous one', () => {
  expect(screenful('a\nb', { rows: 10, columns: 10 })).toBe(
    '\u001b[Ha\u001b[K\nb\u001b[K\n\u001b[J',
  );
});

test('screenful prints the count of lines that do not fit', () => {
  const text = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
  const lines = plain(screenful(text, { rows: 10, columns: 80 }));
  expect(lines.slice(0, 8)).toEqual(text.split('\n').slice(0, 8));
  expect(lines[8]).toContain('22 more lines');
});

test('screenful returns no more lines and columns than the terminal has', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', '█', '\u001b[31m', '\u001b[39m') })),
      fc.integer({ min: 3, max: 20 }),
      fc.integer({ min: 3, max: 20 }),
      (lines, rows, columns) => {
        const drawn = plain(screenful(lines.join('\n'), { rows, columns }));
        expect(drawn.length).toBeLessThanOrEqual(rows);
        for (const line of drawn) expect(line.length).toBeLessThanOrEqual(columns);
      },
    ),
  );
});

function ask(): {
  input: PassThrough;
  raised: string[];
  stop: AbortController;
  answer: Promise<boolean>;
} {
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { isTTY: true });
  const stop = new AbortController();
  const raised: string[] = [];
  const raise = (signal: string): void => {
    raised.push(signal);
    stop.abort();
  };
  const answer = confirm('Remove it?', { input, output, stop: stop.signal, raise });
  return { input, raised, stop, answer };
}

describe('confirm', () => {
  test.each([
    ['y\n', true],
    ['YES\n', true],
    ['\n', false],
    ['yet\n', false],
    ['n\n', false],
  ])('resolves %j to %s', async (text, expected) => {
    const { input, answer } = ask();
    input.write(text);
    expect(await answer).toBe(expected);
  });

  test('resolves to false at the end of the input', async () => {
    const { input, answer, raised } = ask();
    input.end();
    expect({ answer: await answer, raised }).toEqual({ answer: false, raised: [] });
  });

  test('resolves to false at Ctrl-C, and raises SIGINT', async () => {
    const { input, answer, raised } = ask();
    input.write('\u0003');
    expect({ answer: await answer, raised }).toEqual({ answer: false, raised: ['SIGINT'] });
  });

  test('resolves to false at another signal', async () => {
    const { stop, answer } = ask();
    stop.abort();
    expect(await answer).toBe(false);
  });
});
