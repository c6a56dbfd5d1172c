import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../src/machine/definition.ts';
import { UserError } from '../../src/machine/errors.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same, type Cell } from '../../src/machine/table.ts';
import { formatSql, sqlOf, type Dialect, type SqlOptions } from '../../src/render/sql.ts';

const PLAIN = ['shut', 'open', 'gone', 'push', 'pull', 'doors', 'state'];
const MYSQL: SqlOptions = { dialect: 'mysql', table: 'doors', column: 'state' };

function named(
  [shut, open, gone, push, pull]: readonly string[],
  never = impossible as Cell,
): Machine {
  const row = (one: Cell, other: Cell): [string, Cell][] => [
    [push!, one],
    [pull!, other],
    ['kick', never],
  ];
  return machine({
    name: 'door',
    states: [shut!, open!, gone!],
    events: [push!, pull!, 'kick'],
    initial: shut!,
    table: Object.fromEntries([
      [shut!, Object.fromEntries(row(open!, impossible))],
      [open!, Object.fromEntries(row(same, gone!))],
      [gone!, Object.fromEntries(row(impossible, impossible))],
    ]) as never,
  });
}

const script = (one: Machine, options: SqlOptions): string => formatSql(one, sqlOf(one, options));

test('prints CREATE TABLE, INSERT, SELECT, and an UPDATE for each event', () => {
  expect(script(named(PLAIN), MYSQL)).toBe(
    `
-- create the table
CREATE TABLE IF NOT EXISTS \`doors\` (
  \`id\` VARCHAR(200) NOT NULL PRIMARY KEY,
  \`state\` VARCHAR(255) NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- insert a row
INSERT INTO \`doors\` (\`id\`, \`state\`)
VALUES (?, 'shut');

-- read the state of a row
SELECT \`state\` FROM \`doors\`
WHERE \`id\` = ?;

-- push
UPDATE \`doors\`
SET \`state\` = CASE \`state\`
  WHEN 'shut' THEN 'open'
  WHEN 'open' THEN 'open'
  ELSE \`state\`
END
WHERE \`id\` = ?
  AND \`state\` IN ('shut', 'open');

-- pull
UPDATE \`doors\`
SET \`state\` = CASE \`state\`
  WHEN 'open' THEN 'gone'
  ELSE \`state\`
END
WHERE \`id\` = ?
  AND \`state\` IN ('open');

-- kick: allowed in no state
`.trim(),
  );
});

type Token = readonly [
  kind: 'space' | 'comment' | 'string' | 'name' | 'word' | 'sign',
  text: string,
];
type Lexer = readonly (readonly [Token[0], RegExp])[];

const COMMON: Lexer = [
  ['space', /\s+/y],
  ['comment', /-- [^\n\r]*/y],
];
const WORDS: Lexer = [
  ['word', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['word', /\d+/y],
  ['sign', /[$?]\d*|[=(),;]/y],
];
/** The tokens of each database, in each of its modes. */
const LEXERS: Readonly<Record<string, { readonly dialect: Dialect; readonly lexer: Lexer }>> = {
  mysql: {
    dialect: 'mysql',
    lexer: [
      ...COMMON,
      ['string', /_utf8mb4 x'[0-9a-f]*'|'(?:[^'\\]|\\[^]|'')*'/y],
      ['name', /`(?:[^`]|``)+`/y],
      ...WORDS,
    ],
  },
  'mysql with NO_BACKSLASH_ESCAPES': {
    dialect: 'mysql',
    lexer: [
      ...COMMON,
      ['string', /_utf8mb4 x'[0-9a-f]*'|'(?:[^']|'')*'/y],
      ['name', /`(?:[^`]|``)+`/y],
      ...WORDS,
    ],
  },
  postgresql: {
    dialect: 'postgresql',
    lexer: [
      ...COMMON,
      ['string', /E'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'/y],
      ['name', /"(?:[^"]|"")+"/y],
      ...WORDS,
    ],
  },
  'postgresql without standard_conforming_strings': {
    dialect: 'postgresql',
    lexer: [
      ...COMMON,
      ['string', /E?'(?:[^'\\]|\\[^]|'')*'/y],
      ['name', /"(?:[^"]|"")+"/y],
      ...WORDS,
    ],
  },
};

function tokensOf(text: string, lexer: Lexer): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const found = lexer.flatMap(([kind, pattern]): Token[] => {
      pattern.lastIndex = at;
      const match = pattern.exec(text);
      return match === null ? [] : [[kind, match[0]]];
    })[0];
    if (found === undefined)
      throw new Error(`no token at ${JSON.stringify(text.slice(at, at + 20))}`);
    tokens.push(found);
    at += found[1].length;
  }
  return tokens;
}

function valueOf([kind, text]: Token): string {
  if (text.startsWith('_utf8mb4 x')) {
    return Buffer.from(text.slice(11, -1), 'hex').toString();
  }
  const inner = text.slice(text.startsWith('E') ? 2 : 1, -1);
  if (kind === 'name') return inner.replaceAll(text[0]! + text[0]!, text[0]!);
  return inner.replace(/''|\\\\/g, (twice) => twice[0]!);
}

const ODD = [
  "'",
  "''",
  "\\'",
  '\\',
  '\\\\',
  "\\\\'",
  '"',
  '`',
  '``',
  '?',
  '$1',
  ';',
  '--',
  '-- x',
  '/*',
  '*/',
  '#',
  'a\nb',
  '\r',
  "'; DROP TABLE doors; --",
  "' OR 1=1 --",
  '\u7e97\\',
  '\u2028',
  '\u0085',
  '%s',
  ':id',
  'é',
  '😀',
  'ß',
  '\u0001',
  '__proto__',
];
const odd = fc.oneof(
  fc.constantFrom(...ODD),
  fc.string({ minLength: 1, unit: 'binary', maxLength: 12 }),
  fc.string({ minLength: 1, maxLength: 12 }),
);
const names = fc.uniqueArray(odd, { minLength: PLAIN.length, maxLength: PLAIN.length });

describe.each(Object.entries(LEXERS))('with any names, %s', (_name, { dialect, lexer }) => {
  const made = (all: readonly string[]): string | undefined => {
    try {
      return script(named(all), { dialect, table: all[5]!, column: all[6]! });
    } catch (error) {
      // Names that SQL cannot express are refused.
      expect(error).toMatchObject({ code: 'not-in-sql' });
      return undefined;
    }
  };
  const kinds = (tokens: readonly Token[]): string[] =>
    tokens.map(([kind, one]) => (kind === 'word' || kind === 'sign' ? one : kind));
  const plain = tokensOf(script(named(PLAIN), { ...MYSQL, dialect }), lexer);

  test('quotes every name, so that the tokens stay the same', () => {
    let count = 0;
    fc.assert(
      fc.property(names, (all) => {
        const text = made(all);
        if (text === undefined) return;
        count += 1;
        const tokens = tokensOf(text, lexer);
        expect(kinds(tokens)).toEqual(kinds(plain));
        const said = new Map(PLAIN.map((one, index) => [one, all[index]]));
        for (const [index, token] of tokens.entries()) {
          if (token[0] !== 'string' && token[0] !== 'name') continue;
          const was = valueOf(plain[index]!);
          expect(valueOf(token)).toBe(was === 'id' ? 'id' : said.get(was));
        }
      }),
      { numRuns: 500 },
    );
    expect(count).toBeGreaterThan(50);
  });

  test('adds no question mark, which some clients take for a parameter anywhere', () => {
    if (dialect === 'postgresql') return;
    fc.assert(
      fc.property(names, (all) => {
        const text = made(all);
        if (text !== undefined) expect(text.match(/\?/g)).toHaveLength(4);
      }),
    );
  });
});

describe('lists all that SQL cannot express', () => {
  const problemsOf = (one: Machine, options: Partial<SqlOptions> = {}): unknown => {
    try {
      sqlOf(one, { ...MYSQL, ...options });
      return [];
    } catch (error) {
      return (error as UserError).facts['problems'];
    }
  };

  test('choices, hooks, goals', () => {
    const choice = choose('locked', [same, 'open'], () => same);
    const one = machine({
      name: 'door',
      states: ['shut', 'open'],
      events: ['push'],
      initial: 'shut',
      table: { shut: { push: choice }, open: { push: same } },
      goals: { push: 'through' },
      hooks: { before: () => undefined },
    });
    expect(problemsOf(one)).toEqual([
      'shut × push is a choice, which a function makes',
      'hooks.before is a function, which the database does not call',
      'push sets a goal, for which there is no column',
    ]);
  });

  test('activities of hooks', () => {
    const one = machine({
      name: 'door',
      states: ['shut', 'open'],
      events: ['push'],
      initial: 'shut',
      table: { shut: { push: 'open' }, open: { push: same } },
      hooks: { after: () => [{ run: 'tell' }], activities: { tell: { run: 'true' } } },
    });
    expect(problemsOf(one)).toEqual(['hook tell is an activity, which the database does not run']);
  });

  test.each([
    ['Open', 'open'],
    ['é', 'e'],
    ['a', 'a '],
    ['😀', '😁'],
    ['ß', 'SS'],
  ])('states that a MySQL collation may take for one: %s, %s', (first, second) => {
    const one = named([first, second, 'gone', 'push', 'pull']);
    expect(problemsOf(one)).toEqual([
      `${second.replace(' ', '␣')} and ${first} may be equal to the database`,
    ]);
    expect(problemsOf(one, { dialect: 'postgresql' })).toEqual([]);
  });

  test.each([
    ['mysql', { table: '' }, '--table must not be empty'],
    ['mysql', { table: 'x'.repeat(65) }, 'at most 64 characters'],
    ['mysql', { column: 'ID' }, 'the primary key'],
    ['mysql', { column: 'a\0' }, 'not a valid name'],
    ['mysql', { column: 'a ' }, 'not a valid name'],
    ['mysql', { column: 'a?' }, 'not a valid name'],
    ['mysql', { column: '😀' }, 'not a valid name'],
    ['postgresql', { column: 'ü'.repeat(32) }, 'at most 63 bytes'],
    ['postgresql', { table: '\0' }, 'not a valid name'],
    ['postgresql', { table: '\ud800' }, 'not a valid name'],
  ] as const)('names: %s %o', (dialect, more, words) => {
    expect(problemsOf(named(PLAIN), { dialect, ...more })).toEqual([
      expect.stringContaining(words),
    ]);
  });

  test('states that are too long for a VARCHAR', () => {
    const one = named(['x'.repeat(256), 'open', 'gone', 'push', 'pull']);
    expect(problemsOf(one)).toEqual([expect.stringContaining('has more than 255 characters')]);
    expect(problemsOf(one, { dialect: 'postgresql' })).toEqual([]);
  });

  test('states that are not Unicode, and NUL in PostgreSQL', () => {
    const one = named(['\ud800', 'a\0', 'gone', 'push', 'pull']);
    expect(problemsOf(one, { dialect: 'postgresql' })).toEqual([
      '\ufffd is not Unicode text',
      'a␀: PostgreSQL has no text with a NUL',
    ]);
  });

  test('a machine without a table', () => {
    const one = machine({ name: 'one', activities: { a: { run: 'x' } } });
    expect(() => sqlOf(one, MYSQL)).toThrow(expect.objectContaining({ code: 'no-table' }));
  });
});

test('lists timers, which the user must send', () => {
  const one = machine({
    name: 'door',
    states: ['shut', 'open'],
    events: ['push'],
    initial: 'shut',
    table: { shut: { push: 'open' }, open: { push: 'shut' } },
    after: { open: { '3s': 'push' } },
  });
  expect(script(one, MYSQL)).toMatch(
    /^-- push, sent by you after 3s in open\n\n-- create the table\nCREATE/,
  );
});
