/** `--help`: complete, grouped, with types. */
import { describe, expect, test } from 'vitest';
import { loadCommands } from '../../src/cli/commands/index.ts';
import { commandHelp, programHelp } from '../../src/cli/help.ts';
import { environmentName, flagOf, isAmbient, OPTIONS } from '../../src/cli/options.ts';

const WIDTH = 100;
const GROUPS = await loadCommands();
const COMMANDS = GROUPS.flatMap(({ commands }) => commands);

describe.each(COMMANDS.map((command) => [command.name, command] as const))(
  '%s --help',
  (name, command) => {
    const text = commandHelp(command, WIDTH);

    test('contains usage, all options with their variables, examples and exit statuses', () => {
      expect(text.startsWith(`flockwork ${name}`)).toBe(true);
      for (const option of command.options) {
        const isNegatable = OPTIONS[option].default === true;
        const flag = isNegatable ? `--[no-]${flagOf(option)}` : `--${flagOf(option)}`;
        expect(text).toMatch(new RegExp(`^  ${flag.replaceAll(/[[\]]/g, '\\$&')}( |$)`, 'm'));
        const hasVariable = new RegExp(`${environmentName(option)}[,.]`).test(text);
        expect({ option, hasVariable }).toEqual({
          option,
          hasVariable: isAmbient(OPTIONS[option], name),
        });
      }
      expect(text).toMatch(/Examples:\n {2}flockwork/);
      expect(text).toContain('Exit status: 0');
    });

    test('does not name other commands', () => {
      const others = COMMANDS.map((one) => one.name).filter((one) => one !== name);
      expect(text).not.toMatch(new RegExp(`\\((${others.join('|')}): `));
    });

    test('has no line wider than the width, except examples and choices', () => {
      const long = text.split('\n').filter((line) => line.length > WIDTH);
      expect(long.filter((line) => !/^ {2}(flockwork|--)/.test(line))).toEqual([]);
    });
  },
);

test('--help shows types, choices and defaults, under headings', () => {
  const text = commandHelp(
    COMMANDS.find(({ name }) => name === 'worker')!,
    WIDTH,
  );
  expect(text).toContain('  --dir <path> ');
  expect(text).toContain('  --concurrency <number> ');
  expect(text).toContain('  --lease <duration> ');
  expect(text).toContain('  --log-format <pretty|json> ');
  const headings = [...text.matchAll(/^([A-Z][^.,\n]*):$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual([
    'Where',
    'What runs',
    'Pace and limits',
    'Timing of the volume',
    'Output',
    'Examples',
  ]);
});

test('flockwork --help lists every command once', () => {
  const text = programHelp(GROUPS, WIDTH);
  for (const { name } of COMMANDS) {
    expect(text.match(new RegExp(`^  ${name} `, 'gm'))).toHaveLength(1);
  }
});
