/** A live view on terminals of all sizes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { screenful } from '../../src/cli/screen.ts';

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
