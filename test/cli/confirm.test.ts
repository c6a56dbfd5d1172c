/** The question before something is removed: only a yes is one. */
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { confirm } from '../../src/cli/confirm.ts';

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
