/**
 * A machine's table as SQL, for a database that keeps the state: CREATE TABLE, INSERT, SELECT, and for each event an UPDATE
 * that is atomic and changes no row in whose state the event is not allowed.
 */
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { impossible, same } from '../machine/table.ts';
import { shortDuration, visible } from './text.ts';

export type Dialect = 'mysql' | 'postgresql';

export interface SqlOptions {
  readonly dialect: Dialect;
  /** Unqualified names, not yet quoted: the connection chooses the schema. */
  readonly table: string;
  readonly column: string;
}

export interface Statement {
  readonly kind: 'create' | 'insert' | 'select' | 'update';
  /** Of an update. */
  readonly event?: string;
  /** Its only parameter is the row's id; `create` has none. Undefined for an event that is allowed in no state. */
  readonly sql: string | undefined;
}

interface Rules {
  readonly parameter: string;
  readonly quote: string;
  readonly literal: (text: string) => string;
  /** Length of an identifier in the database's unit. */
  readonly identifierLength: (name: string) => number;
  readonly maxIdentifierLength: number;
  readonly identifierUnit: string;
  /** Matches an identifier that the database does not accept. */
  readonly badIdentifier: RegExp;
  /** Equal for two states that some collation of the database compares as equal. */
  readonly collationKey: (state: string) => string;
  /** Column types. */
  readonly types: readonly [id: string, state: string];
  readonly maxStateCharacters: number;
  /** Follows the column list. */
  readonly tableOptions: string;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const doubled = (text: string, quote: string): string =>
  quote + text.replaceAll(quote, quote + quote) + quote;

const DIALECTS: Readonly<Record<Dialect, Rules>> = {
  mysql: {
    parameter: '?',
    quote: '`',
    // The meaning of a backslash depends on the SQL mode and the connection's character set, and some clients replace
    // every question mark by a parameter. Hexadecimal literals contain neither.
    literal: (text) =>
      /[\\?\0]/.test(text)
        ? `_utf8mb4 x'${[...bytes(text)].map(hex).join('')}'`
        : doubled(text, "'"),
    identifierLength: (name) => name.length,
    maxIdentifierLength: 64,
    identifierUnit: 'characters',
    badIdentifier: /[\0?\u{10000}-\u{10ffff}]| $/u,
    // Most collations ignore case, accents and trailing spaces; some take all characters beyond 16 bits for equal.
    collationKey: (state) =>
      state
        .normalize('NFKD')
        .replace(/[\p{M}\p{C}]/gu, '')
        .replace(/[\u{10000}-\u{10ffff}]/gu, '\ufffd')
        .toUpperCase()
        .toLowerCase()
        .trimEnd(),
    // A key needs a maximum length: an instance's name has up to 200 bytes.
    types: ['VARCHAR(200)', 'VARCHAR(255)'],
    maxStateCharacters: 255,
    // The default collation takes the ids `a` and `A` for one row.
    tableOptions: ' CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  },
  postgresql: {
    parameter: '$1',
    quote: '"',
    literal: (text) =>
      text.includes('\\') ? `E${doubled(text.replaceAll('\\', '\\\\'), "'")}` : doubled(text, "'"),
    identifierLength: (name) => bytes(name).length,
    maxIdentifierLength: 63,
    identifierUnit: 'bytes',
    badIdentifier: /\0/,
    collationKey: (state) => state,
    types: ['TEXT', 'TEXT'],
    maxStateCharacters: Number.POSITIVE_INFINITY,
    tableOptions: '',
  },
};

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Throws `no-table`, and `not-in-sql`, whose message lists everything that SQL cannot express. */
export function sqlOf(machine: Machine, options: SqlOptions): Statement[] {
  const { name, initial, kinds, events, rules } = machine;
  if (rules === undefined) {
    throw new UserError('no-table', `machine ${name} has no table of states and events`, {
      machine: name,
    });
  }
  const problems = [...machineProblems(machine, options.dialect), ...nameProblems(options)];
  if (problems.length > 0) {
    const message = `cannot express machine ${name} in SQL:\n${problems.map((one) => `  ${one}`).join('\n')}`;
    throw new UserError('not-in-sql', message, { machine: name, problems });
  }
  const updates = events.map((event): Statement => {
    const moves = [...kinds.keys()].flatMap((state): [string, string][] => {
      const cell = rules.table[state]![event];
      if (cell === impossible) return [];
      return [[state, cell === same ? state : (cell as string)]];
    });
    const sql = moves.length === 0 ? undefined : update(moves, options);
    return { kind: 'update', event, sql };
  });
  return [
    { kind: 'create', sql: create(options) },
    { kind: 'insert', sql: insert(initial, options) },
    { kind: 'select', sql: select(options) },
    ...updates,
  ];
}

function create({ dialect, table, column }: SqlOptions): string {
  const { quote, types, tableOptions } = DIALECTS[dialect];
  return [
    `CREATE TABLE IF NOT EXISTS ${doubled(table, quote)} (`,
    `  ${doubled('id', quote)} ${types[0]} NOT NULL PRIMARY KEY,`,
    `  ${doubled(column, quote)} ${types[1]} NOT NULL`,
    `)${tableOptions};`,
  ].join('\n');
}

function insert(initial: string, { dialect, table, column }: SqlOptions): string {
  const { quote, literal, parameter } = DIALECTS[dialect];
  return [
    `INSERT INTO ${doubled(table, quote)} (${doubled('id', quote)}, ${doubled(column, quote)})`,
    `VALUES (${parameter}, ${literal(initial)});`,
  ].join('\n');
}

function select({ dialect, table, column }: SqlOptions): string {
  const { quote, parameter } = DIALECTS[dialect];
  return [
    `SELECT ${doubled(column, quote)} FROM ${doubled(table, quote)}`,
    `WHERE ${doubled('id', quote)} = ${parameter};`,
  ].join('\n');
}

function update(
  moves: readonly (readonly [string, string])[],
  { dialect, table, column }: SqlOptions,
): string {
  const { quote, literal, parameter } = DIALECTS[dialect];
  const state = doubled(column, quote);
  return [
    `UPDATE ${doubled(table, quote)}`,
    `SET ${state} = CASE ${state}`,
    ...moves.map(([from, to]) => `  WHEN ${literal(from)} THEN ${literal(to)}`),
    `  ELSE ${state}`,
    'END',
    `WHERE ${doubled('id', quote)} = ${parameter}`,
    `  AND ${state} IN (${moves.map(([from]) => literal(from)).join(', ')});`,
  ].join('\n');
}

const HEADINGS = {
  create: 'create the table',
  insert: 'insert a row',
  select: 'read the state of a row',
};

/** All statements as one text; a comment above each says what it is for, or names its event. */
export function formatSql(machine: Machine, statements: readonly Statement[]): string {
  // Some clients replace a question mark by a parameter even in a comment.
  const comment = (text: string): string => `-- ${visible(text).replaceAll('?', '\uff1f')}`;
  const timers = [...machine.timers].flatMap(([state, all]) =>
    all.map(({ after, event }) =>
      comment(`${event}, sent by you after ${shortDuration(after)} in ${state}`),
    ),
  );
  const parts = statements.map(({ kind, event = '', sql }) => {
    const heading = kind === 'update' ? event : HEADINGS[kind];
    return sql === undefined
      ? comment(`${event}: allowed in no state`)
      : `${comment(heading)}\n${sql}`;
  });
  return [...(timers.length > 0 ? [timers.join('\n')] : []), ...parts].join('\n\n');
}

/** Everything in the machine that a statement on one row cannot express. */
function machineProblems({ kinds, events, rules }: Machine, dialect: Dialect): string[] {
  const { table, goals, before, after, activities } = rules!;
  const states = [...kinds.keys()];
  const choices = states.flatMap((state) =>
    events
      .filter((event) => typeof table[state]![event] === 'object')
      .map((event) => `${state} × ${event} is a choice, which a function makes`),
  );
  const hooks = Object.entries({ before, after }).filter(
    ([name, hook]) => hook !== undefined && (name === 'before' || activities.size === 0),
  );
  return [
    ...choices,
    ...hooks.map(([name]) => `hooks.${name} is a function, which the database does not call`),
    ...[...activities.keys()].map(
      (run) => `hook ${visible(run)} is an activity, which the database does not run`,
    ),
    ...Object.keys(goals).map((event) => `${event} sets a goal, for which there is no column`),
    ...states
      .filter((state) => !state.isWellFormed())
      .map((state) => `${visible(state)} is not Unicode text`),
    ...states
      .filter((state) => dialect === 'postgresql' && state.includes('\0'))
      .map((state) => `${visible(state)}: PostgreSQL has no text with a NUL`),
    ...states
      .filter((state) => [...state].length > DIALECTS[dialect].maxStateCharacters)
      .map(
        (state) =>
          `${visible(state)} has more than ${DIALECTS[dialect].maxStateCharacters} characters`,
      ),
    ...collisions(states, DIALECTS[dialect].collationKey),
  ];
}

function collisions(states: readonly string[], keyOf: (state: string) => string): string[] {
  const first = new Map(states.toReversed().map((state) => [keyOf(state), state]));
  return states
    .filter((state) => first.get(keyOf(state)) !== state)
    .map(
      (state) =>
        `${visible(state)} and ${visible(first.get(keyOf(state))!)} may be equal to the database`,
    );
}

function nameProblems({ dialect, table, column }: SqlOptions): string[] {
  const { identifierLength, maxIdentifierLength, identifierUnit, badIdentifier } =
    DIALECTS[dialect];
  return Object.entries({ table, column }).flatMap(([what, name]) => {
    const shown = `--${what} ${visible(name)}`;
    if (name === '') return [`--${what} must not be empty`];
    if (what === 'column' && name.toLowerCase() === 'id') {
      return [`${shown}: id is the column of the primary key`];
    }
    if (badIdentifier.test(name) || !name.isWellFormed())
      return [`${shown} is not a valid name in ${dialect}`];
    return identifierLength(name) > maxIdentifierLength
      ? [`${shown}: expected at most ${maxIdentifierLength} ${identifierUnit}`]
      : [];
  });
}
