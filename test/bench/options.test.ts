/** The command line of the benchmark. */
import { expect, test } from 'vitest';
import { helpText, parseOptions } from '../../bench/options.ts';
import { ROW_NAMES } from '../../bench/model.ts';

const SYSTEMS = ['flockwork', 'flockwork-no-fsync', 'bullmq'];
const parse = (...words: string[]): ReturnType<typeof parseOptions> => parseOptions(words, SYSTEMS);

test('without options it is the whole, and is published', () => {
  expect(parse()).toMatchObject({
    rows: ROW_NAMES,
    systems: undefined,
    rounds: 5,
    amounts: { states: 50_000, chains: 10_000, million: 1_000_000 },
    json: 'docs/performance.json',
    out: 'docs/performance.md',
  });
});

test.each([
  [['--only', 'drain, chains'], { rows: ['drain', 'chains'] }],
  [['--systems', 'flock,bullmq'], { systems: ['flock', 'bullmq'] }],
])('%j is a part, which is published only where one says', (words, expected) => {
  expect(parse(...words)).toMatchObject({ ...expected, json: undefined, out: undefined });
  expect(parse(...words, '--out', 'a.md').out).toBe('a.md');
});

test('a check is a part', () => {
  expect(parse('--check')).toMatchObject({
    check: true,
    directory: '/dev/shm',
    json: undefined,
    out: undefined,
  });
  expect(parse()).toMatchObject({ check: false, directory: 'bench/.run' });
});

test('numbers', () => {
  const options = parse('--rounds', '2', '--states', '300', '--seconds', '4');
  expect(options).toMatchObject({ rounds: 2, amounts: { states: 300, seconds: 4 } });
});

test.each([
  [['--only', 'drian'], 'there is no "drian"; there are pure, drain'],
  [['--only', ''], 'there is no ""'],
  [['--systems', 'flockwork,kafka'], 'there is no "kafka"'],
  [['--systems', 'bullmq,'], 'there is no ""'],
  [['--rounds', '0'], '--rounds takes a whole number above 0, not "0"'],
  [['--states', '1e4'], 'not "1e4"'],
  [['--million', '-1'], 'argument'],
  [['--drops', 'many'], 'not "many"'],
  [['--states', '99999999999999999999'], 'whole number'],
  [['--fast'], 'see npm run bench -- --help'],
  [['drain'], 'see npm run bench -- --help'],
])('%j is refused', (words, message) => {
  expect(() => parse(...words)).toThrow(message);
});

test('the help names every row, system and number', () => {
  const help = helpText(SYSTEMS);
  for (const word of [...ROW_NAMES, ...SYSTEMS, '--million', '--bench-dir']) {
    expect(help).toContain(word);
  }
});
