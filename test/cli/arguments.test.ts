/** Command lines as they are typed, right and wrong. */
import { describe, expect, test } from 'vitest';
import { called, parseArguments, type Arguments } from '../../src/cli/arguments.ts';
import { positionalsOf } from '../../src/cli/command.ts';
import { loadCommands } from '../../src/cli/commands/index.ts';
import { OPTIONS } from '../../src/cli/options.ts';

const COMMANDS = (await loadCommands()).flatMap(({ commands }) => commands);

const parse = (line: string): Arguments =>
  parseArguments(line.split(' ').filter(Boolean), COMMANDS);

test.each([
  ['status --json', 'status', false],
  ['--dir worker status', 'status', false],
  ['help send', 'help', false],
  ['--help', undefined, false],
  ['--version', undefined, true],
  ['worker --version', 'worker', true],
])('called finds the command in: %s', (line, word, isVersion) => {
  expect(called(line.split(' '))).toEqual({ word, isVersion });
});

test('loadCommands loads only the one that is called', async () => {
  for (const { name } of COMMANDS) {
    const loaded = (await loadCommands(name)).flatMap(({ commands }) => commands);
    expect(loaded.map((one) => one.name)).toEqual([name]);
  }
});

describe('parseArguments returns command, options and words', () => {
  test.each([
    ['status --json', 'status', { json: true }, []],
    ['--json status', 'status', { json: true }, []],
    ['--dir v status', 'status', { dir: ['v'] }, []],
    ['worker --dir a --dir=b --no-fsync', 'worker', { dir: ['a', 'b'], fsync: false }, []],
    ['worker --lease 3s --concurrency 007', 'worker', { lease: '3s', concurrency: '007' }, []],
    ['send door open', 'send', {}, ['door', 'open']],
    ['send 1e3 007', 'send', {}, ['1e3', '007']],
    ['submit --payload -5 --machine m', 'submit', { payload: '-5', machine: 'm' }, []],
  ])('%s', (line, name, flags, words) => {
    const { command, wants, flags: found, words: foundWords } = parse(line);
    const given = Object.fromEntries(Object.entries(found).filter(([, one]) => one !== undefined));
    expect({ name: command?.name, wants, flags: given, words: foundWords }).toEqual({
      name,
      wants: 'run',
      flags,
      words,
    });
  });
});

describe('parseArguments takes all arguments after -- as words', () => {
  test.each([
    ['show -- -n', ['-n']],
    ['show -- --json', ['--json']],
    ['retry --dir v -- -x.state --all', ['-x.state', '--all']],
    ['send -- -x go', ['-x', 'go']],
    ['send -x', undefined],
    ['send a -- --help', ['a', '--help']],
    ['submit a -- -b.state', ['a', '-b.state']],
  ])('%s', (line, words) => {
    if (words === undefined) expect(() => parse(line)).toThrow('write -- before it');
    else expect(parse(line)).toMatchObject({ wants: 'run', words });
  });
});

describe('parseArguments recognises requests for help', () => {
  test.each([
    ['', 'help', undefined],
    ['--help', 'help', undefined],
    ['help', 'help', undefined],
    ['help send', 'help', 'send'],
    ['send --help', 'help', 'send'],
    ['send -h', 'help', 'send'],
    ['send --nonsense --help', 'help', 'send'],
  ])('%j', (line, wants, name) => {
    const parsed = parse(line);
    expect({ wants: parsed.wants, name: parsed.command?.name }).toEqual({ wants, name });
  });
});

describe('parseArguments throws with a remedy', () => {
  test.each([
    ['stats', 'there is no command stats; did you mean status?'],
    ['frobnicate', 'there is no command frobnicate; flockwork --help lists what there is'],
    ['send', 'send needs INSTANCE and EVENT; see flockwork send --help'],
    ['send door', 'send needs INSTANCE and EVENT'],
    ['send door open now', 'send takes INSTANCE and EVENT; unexpected "now"'],
    ['pause now', 'pause takes no arguments, only options; unexpected "now"'],
    ['graph', 'graph needs MACHINE-FILE'],
    ['config', 'config needs put FILE… | get NAME[:VERSION] | list'],
    ['worker --conccurency 3', 'worker has no option --conccurency; did you mean --concurrency?'],
    ['worker --no-fsink', 'did you mean --no-fsync?'],
    ['worker --workers 3', 'worker has no option --workers'],
    ['status -x', 'status has no option -x; see flockwork status --help'],
    ['--jsn', '--jsn needs a command'],
    ['worker --lease', '--lease needs a value'],
    ['worker --lease --watch', '--lease needs a value'],
    ['worker --dir=', '--dir needs a value'],
    ['worker --watch=yes', '--watch is "yes"; it must be true or false'],
    ['simulate --seed 1 --seeds 500', '--seed and --seeds exclude each other'],
    ['simulate --scale', 'no option --scale; in a checkout, run npm run bench -- scale'],
    ['simulate --trace f', '--trace needs --seed or --shrink'],
    ['submit --machine m --from f --count 2', '--from and --count exclude each other'],
    ['submit a.state --count 2', '--count needs --machine'],
    ['retry a --all', '--all and NAMES… exclude each other'],
    ['reset --all --done', '--all and --done exclude each other'],
    ['check m.ts --json --mermaid', '--mermaid and --json exclude each other'],
  ])('%s', (line, words) => {
    expect(() => parse(line)).toThrow(words);
  });
});

test.each(COMMANDS.map((command) => [command.name, command] as const))(
  'the rules of %s name only its own options and positionals',
  (_name, command) => {
    const { options, optionTexts = {}, excludes = {}, needs = {} } = command;
    const known = [...options, ...positionalsOf(command).map(({ name }) => name)];
    const named = [excludes, needs].flatMap((rules) => Object.entries(rules).flat(2));
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
    expect(Object.keys(optionTexts).filter((name) => !known.includes(name))).toEqual([]);
    const flags = options.map((name) => OPTIONS[name].flag ?? name);
    expect(new Set(flags).size).toBe(flags.length);
  },
);
