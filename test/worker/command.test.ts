import fc from 'fast-check';
import { expect, test, describe } from 'vitest';
import { LogLines } from '../../src/worker/command.ts';

function linesOf(chunks: readonly (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = new LogLines((line) => lines.push(line));
  for (const chunk of chunks) splitter.add(Buffer.from(chunk as string));
  splitter.end();
  return lines;
}

describe('LogLines', () => {
  test('splits lines independently of chunks, the last one without a line feed', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'ü', '日', ' ', '\n') });
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 7 }), (text, size) => {
        const bytes = Buffer.from(text);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        const expected = text.split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(linesOf(chunks)).toEqual(expected);
      }),
    );
  });

  test('ends lines at CR LF, and at each CR of a progress bar', () => {
    expect(linesOf(['a\r\n\r\nb\n'])).toEqual(['a', '', 'b']);
    expect(linesOf(['10%\r20%', '\r30%\r\ndone'])).toEqual(['10%', '20%', '30%', 'done']);
  });

  test('cuts a line that is too long, and counts the rest without keeping it', () => {
    const lines: string[] = [];
    const splitter = new LogLines((line) => lines.push(line));
    const zeros = Buffer.alloc(1024 * 1024);
    for (let count = 0; count < 50; count += 1) splitter.add(zeros);
    expect(lines).toEqual([]);
    splitter.add(Buffer.from('\nnext\n'));
    const cut = 50 * 1024 * 1024 - 16 * 1024;
    expect(lines).toEqual([`${'\0'.repeat(16 * 1024)}… (cut: ${cut} more bytes)`, 'next']);
  });
});
