import { describe, expect, test } from 'vitest';
import {
  commandResult,
  MAX_OUTPUT_BYTES,
  type CommandEnd,
} from '../../src/machine/command-result.ts';
import type { CommandOutput } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';

const retry = { maximumAttempts: 5, initialInterval: 0, backoffCoefficient: 1, maximumInterval: 0 };
const end = (stdout: string | Uint8Array, more: Partial<CommandEnd> = {}): CommandEnd => ({
  status: 0,
  signal: null,
  stdout: typeof stdout === 'string' ? new TextEncoder().encode(stdout) : stdout,
  isTooMuch: false,
  lastLines: [],
  ...more,
});
const of = (given: CommandEnd, output: CommandOutput = 'json', next?: string) =>
  commandResult(given, { next, output, retry: { ...retry, nonRetryableExitStatuses: [3] } }, 7);
const failed = (message: unknown, fatal: boolean) => ({
  kind: 'failed',
  error: fatal ? { message, fatal: true } : { message },
});

describe('commandResult', () => {
  test('accepts JSON with and without a byte order mark', () => {
    const answer = { kind: 'answer', answer: { kind: 'done', output: { n: 1 } } };
    expect(of(end('{"n":1}\n'))).toEqual(answer);
    expect(of(end('\ufeff{"n":1}'))).toEqual(answer);
  });

  test.each([
    ['uploaded small/a.png\n', 'uploaded small/a.png'],
    ['{"n": 1', 'output: text'],
    ['{"wait": true, "paylod": 1}', 'unknown key paylod'],
    ['{"later": "1s"}', 'without a state'],
    [Uint8Array.of(0x22, 0xe9, 0x22), 'not UTF-8'],
    ['['.repeat(1000), 'nested'],
  ])('does not retry an invalid answer: %s', (stdout, words) => {
    expect(of(end(stdout))).toEqual(failed(expect.stringContaining(words), true));
  });

  test('does not retry output beyond the limit', () => {
    const words = expect.stringContaining(`more than ${MAX_OUTPUT_BYTES} bytes`);
    expect(of(end('1', { isTooMuch: true, status: null, signal: 'SIGTERM' }))).toEqual(
      failed(words, true),
    );
  });

  test('retries after any other exit status', () => {
    const lastLines = ['one', 'two'];
    expect(of(end('', { status: 1, lastLines }))).toEqual(
      failed('the command exited with status 1\none\ntwo', false),
    );
    expect(of(end('', { status: null, signal: 'SIGSEGV' }))).toEqual(
      failed('the command was killed by SIGSEGV', false),
    );
  });

  test.each([
    [3, 'status 3'],
    [126, 'not executable'],
    [127, 'command not found'],
  ])('does not retry exit status %i', (status, words) => {
    expect(of(end('', { status }))).toEqual(failed(expect.stringContaining(words), true));
  });

  test.each([
    ['{"fail": "no such customer"}', 0, 'no such customer', false],
    ['{"fail": "no such customer", "retry": true}', 0, 'no such customer', false],
    ['{"fail": "no such customer", "retry": false}', 0, 'no such customer', true],
    ['{"fail": "no such customer", "retry": false}', 1, 'no such customer', true],
    ['{"fail": "busy"}', 3, 'busy', false],
    ['{"fail": ""}', 0, 'without a reason', false],
    ['{"fail": "x", "retry": "no"}', 0, 'must be {"fail": REASON}', true],
    ['{"fail": "x", "done": 1}', 0, 'must be {"fail": REASON}', true],
  ])('accepts the failure %s with exit status %i', (stdout, status, words, fatal) => {
    expect(of(end(stdout, { status }))).toEqual(failed(expect.stringContaining(words), fatal));
  });

  test('cuts a long reason', () => {
    const result = of(end(JSON.stringify({ fail: 'x'.repeat(20_000) })));
    expect(result).toEqual(failed('x'.repeat(10_000), false));
  });

  test('takes a value that only resembles a failure as the output', () => {
    const answer = { kind: 'answer', answer: { kind: 'done', output: { fail: 3 } } };
    expect(of(end('{"fail": 3}'))).toEqual(answer);
  });
});

describe('the option output', () => {
  const text = end('{"next": "x"}\nsecond line\n');

  test('text: becomes the output of a last step', () => {
    expect(of(text, 'text')).toEqual({
      kind: 'answer',
      answer: { kind: 'done', output: '{"next": "x"}\nsecond line' },
    });
    expect(of(end(''), 'text')).toEqual({ kind: 'answer', answer: { kind: 'done' } });
  });

  test.each(['text', 'none'] as const)(
    '%s: continues in the next state with the same payload',
    (output) => {
      expect(of(text, output, 'on')).toEqual({
        kind: 'answer',
        answer: { kind: 'next', state: 'on', payload: 7 },
      });
    },
  );

  test('none: ignores standard output, even if it is not UTF-8', () => {
    expect(of(end(Uint8Array.of(0xff)), 'none')).toEqual({
      kind: 'answer',
      answer: { kind: 'done' },
    });
    expect(of(end(Uint8Array.of(0xff)), 'text')).toMatchObject({ kind: 'failed' });
  });
});

describe('machine()', () => {
  const withActivity = (activity: object) => () =>
    machine({ name: 'm', activities: { go: activity as never } });

  test('keeps output and exit statuses', () => {
    const made = withActivity({
      run: 'true',
      output: 'text',
      retry: { nonRetryableExitStatuses: [2] },
    })();
    expect(made.activities.get('go')).toMatchObject({
      output: 'text',
      retry: { nonRetryableExitStatuses: [2] },
    });
    expect(withActivity({ run: 'true' })().activities.get('go')).toMatchObject({ output: 'json' });
  });

  test.each([
    [{ run: 'true', output: 'xml' }, 'output must be one of json, text, none'],
    [{ run: 'true', retry: { nonRetryableExitStatuses: [0] } }, 'numbers from 1 to 255'],
    [{ run: 'true', retry: { nonRetryableExitStatuses: 3 } }, 'numbers from 1 to 255'],
    [{ tick: () => 1, retry: { nonRetryableExitStatuses: [3] } }, 'FatalError'],
  ])('refuses %o', (activity, words) => {
    expect(withActivity(activity)).toThrow(words);
  });
});
