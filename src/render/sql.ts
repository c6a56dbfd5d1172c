/**
 * A machine's table as SQL, where a database keeps the state: statements that make the table, put a row into it and look at
 * one; and one for each event, which moves a row in one step, and changes none where the event is not allowed.
 */
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { impossible, same } from '../machine/table.ts';
import { shortDuration, visible } from './text.ts';

export type Dialect = 'mysql' | 'postgresql';

export interface SqlOptions {
  readonly dialect: Dialect;
  /** Each is one name; a schema is chosen by the connection. */
  readonly table: string;
  readonly column: string;
}

export interface Statement {
  readonly statement: 'create' | 'insert' | 'select' | 'update';
  /** Of an update. */
  readonly event?: string;
  /** Has one parameter, the row's id; `create` has none. Undefined for an event that is allowed nowhere. */
  readonly sql: string | undefined;
}

interface Rules {
  readonly parameter: string;
  readonly quote: string;
  readonly literal: (text: string) => string;
  /** Of a name, as the database counts. */
  readonly length: (name: string) => number;
  readonly longest: number;
  /** What no name may have in it. */
  readonly forbidden: RegExp;
  /** The same for two states that the database may take for one. */
  readonly alike: (state: string) => string;
  /** Of the column with the id, and of the one with the state. */
  readonly types: readonly [id: string, state: string];
  /** Of a state, in characters. */
  readonly longestState: number;
  /** What follows the columns. */
  readonly tableOptions: string;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const doubled = (text: string, quote: string): string =>
  quote + text.replaceAll(quote, quote + quote) + quote;

const DIALECTS: Readonly<Record<Dialect, Rules>> = {
  mysql: {
    parameter: '?',
    quote: '`',
    // What a backslash means depends on the SQL mode and the connection's character set, and some clients put a
    // value in the place of any question mark: as hexadecimal digits, none of them is there.
    literal: (text) =>
      /[\\?\0]/.test(text)
        ? `_utf8mb4 x'${[...bytes(text)].map(hex).join('')}'`
        : doubled(text, "'"),
    length: (name) => name.length,
    longest: 64,
    forbidden: /[\0?\u{10000}-\u{10ffff}]| $/u,
    // Its collations do not tell case and accents, nor spaces at the end; some not what is rare.
    alike: (state) =>
      state
        .normalize('NFKD')
        .replace(/[\p{M}\p{C}]/gu, '')
        .replace(/[\u{10000}-\u{10ffff}]/gu, '\ufffd')
        .toUpperCase()
        .toLowerCase()
        .trimEnd(),
    // A key cannot be of any length; an instance's name has up to 200 bytes.
    types: ['VARCHAR(200)', 'VARCHAR(255)'],
    longestState: 255,
    tableOptions: ' CHARACTER SET utf8mb4',
  },
  postgresql: {
    parameter: '$1',
    quote: '"',
    literal: (text) =>
      text.includes('\\') ? `E${doubled(text.replaceAll('\\', '\\\\'), "'")}` : doubled(text, "'"),
    length: (name) => bytes(name).length,
    longest: 63,
    forbidden: /\0/,
    alike: (state) => state,
    types: ['TEXT', 'TEXT'],
    longestState: Number.POSITIVE_INFINITY,
    tableOptions: '',
  },
};

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Throws `not-in-sql`, with everything that a database could not do; and `no-table`. */
export function sqlOf(machine: Machine, options: SqlOptions): Statement[] {
  const { name, initial, kinds, events, rules } = machine;
  if (rules === undefined) {
    throw new UserError('no-table', `machine ${name} has no table of states and events`, {
      machine: name,
    });
  }
  const problems = [...machineProblems(machine, options.dialect), ...nameProblems(options)];
  if (problems.length > 0) {
    const message = `machine ${name} cannot be said in SQL:\n${problems.map((one) => `  ${one}`).join('\n')}`;
    throw new UserError('not-in-sql', message, { machine: name, problems });
  }
  const updates = events.map((event): Statement => {
    const moves = [...kinds.keys()].flatMap((state): [string, string][] => {
      const cell = rules.table[state]![event];
      if (cell === impossible) return [];
      return [[state, cell === same ? state : (cell as string)]];
    });
    const sql = moves.length === 0 ? undefined : update(moves, options);
    return { statement: 'update', event, sql };
  });
  return [
    { statement: 'create', sql: create(options) },
    { statement: 'insert', sql: insert(initial, options) },
    { statement: 'select', sql: select(options) },
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

const HEADINGS = { create: 'once', insert: 'a new row', select: 'where a row is' };

/** One script, that can be read: above each statement is what it is for, or its event. */
export function formatSql(machine: Machine, statements: readonly Statement[]): string {
  // A line comment ends where its line does; some clients put a value for a question mark even there.
  const comment = (text: string): string => `-- ${visible(text).replaceAll('?', '\uff1f')}`;
  const timers = [...machine.timers].flatMap(([state, all]) =>
    all.map(({ after, event }) =>
      comment(`${event}, sent by you after ${shortDuration(after)} in ${state}`),
    ),
  );
  const parts = statements.map(({ statement, event = '', sql }) => {
    const heading = statement === 'update' ? event : HEADINGS[statement];
    return sql === undefined
      ? comment(`${event}: allowed in no state`)
      : `${comment(heading)}\n${sql}`;
  });
  return [...(timers.length > 0 ? [timers.join('\n')] : []), ...parts].join('\n\n');
}

/** What depends on more than the state is not in the row. */
function machineProblems({ kinds, events, rules }: Machine, dialect: Dialect): string[] {
  const { table, goals, before, after } = rules!;
  const states = [...kinds.keys()];
  const choices = states.flatMap((state) =>
    events
      .filter((event) => typeof table[state]![event] === 'object')
      .map((event) => `${state} × ${event} is a choice, made by a function`),
  );
  const hooks = Object.entries({ before, after }).filter(([, hook]) => hook !== undefined);
  return [
    ...choices,
    ...hooks.map(([name]) => `hooks.${name} is a function, which the database would not call`),
    ...Object.keys(goals).map((event) => `${event} sets a goal, for which there is no column`),
    ...states
      .filter((state) => !state.isWellFormed())
      .map((state) => `${visible(state)} is not Unicode text`),
    ...states
      .filter((state) => dialect === 'postgresql' && state.includes('\0'))
      .map((state) => `${visible(state)}: PostgreSQL has no text with a NUL`),
    ...states
      .filter((state) => [...state].length > DIALECTS[dialect].longestState)
      .map(
        (state) => `${visible(state)} has more than ${DIALECTS[dialect].longestState} characters`,
      ),
    ...twins(states, DIALECTS[dialect].alike),
  ];
}

function twins(states: readonly string[], alike: (state: string) => string): string[] {
  const first = new Map(states.toReversed().map((state) => [alike(state), state]));
  return states
    .filter((state) => first.get(alike(state)) !== state)
    .map(
      (state) =>
        `${visible(state)} and ${visible(first.get(alike(state))!)} may be one to the database`,
    );
}

function nameProblems({ dialect, table, column }: SqlOptions): string[] {
  const { length, longest, forbidden } = DIALECTS[dialect];
  return Object.entries({ table, column }).flatMap(([what, name]) => {
    const shown = `--${what} ${visible(name)}`;
    if (name === '') return [`--${what} has to be a name`];
    if (what === 'column' && name.toLowerCase() === 'id') {
      return [`${shown}: that is what the row is found by`];
    }
    if (forbidden.test(name) || !name.isWellFormed())
      return [`${shown}: ${dialect} has no such name`];
    return length(name) > longest ? [`${shown}: a name has ${longest} characters at most`] : [];
  });
}
