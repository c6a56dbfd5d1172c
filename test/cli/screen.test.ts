/** A live view on terminals of all sizes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { screenful } from '../../src/cli/screen.ts';

const plain = (text: string): string[] =>
  text.replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, '').split('\n');

test('what fits is drawn whole, over what was there', () => {
  expect(screenful('a\nb', { rows: 10, columns: 10 })).toBe(
    '\u001b[Ha\u001b[K\nb\u001b[K\n\u001b[J',
  );
});

test('of what does not fit it is said how much there is', () => {
  const text = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
  const lines = plain(screenful(text, { rows: 10, columns: 80 }));
  expect(lines.slice(0, 8)).toEqual(text.split('\n').slice(0, 8));
  expect(lines[8]).toContain('22 more lines');
});

test('no line is wider, and no more lines are there, than the terminal', () => {
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
