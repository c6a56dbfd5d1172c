import { expect, test } from 'vitest';
import { WORK } from '../../src/cli/commands/worker.ts';
import { passedOn, quoted, repeated } from '../../src/cli/flags.ts';
import { resolveSettings } from '../../src/cli/settings.ts';

const settings = (flags: Record<string, unknown>) =>
  resolveSettings({ flags, environment: {}, file: {}, command: 'worker' });

test('repeated returns the settings that differ from the default', () => {
  expect(repeated(settings({}), WORK)).toEqual([]);
  const flags = {
    machines: ['slp.yaml', 'my machines'],
    'trust-volume': true,
    follow: false,
    workers: 2,
    drain: '3s',
    lease: '5s',
    update: '1s',
    'log-level': 'debug',
  };
  expect(repeated(settings(flags), WORK).sort()).toEqual([
    '--drain 3000ms',
    "--machines 'my machines'",
    '--machines slp.yaml',
    '--no-follow',
    '--trust-volume',
    '--workers 2',
  ]);
});

test('passedOn returns every setting', () => {
  const passed = passedOn(settings({ lease: '5s', machines: ['a=b'], watch: true }), WORK);
  expect(passed).toEqual(
    expect.arrayContaining(['--lease=5000ms', '--machines=a=b', '--watch', '--log-format=pretty']),
  );
  expect(passed).not.toContain('--name');
});

test.each([
  ['a/b-1.c', 'a/b-1.c'],
  ["it's", `'it'\\''s'`],
  ['*', "'*'"],
])('quotes %s as one word of a shell', (word, shown) => {
  expect(quoted(word)).toBe(shown);
});
