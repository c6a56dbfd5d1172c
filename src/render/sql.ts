/**
 * A machine's table as SQL, for a database that keeps the state: one atomic statement per event moves a row, or changes
 * no row if the event is not allowed.
 */
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { impossible, same } from '../machine/table.ts';
import { shortDuration, visible } from './text.ts';

export type Dialect = 'mysql' | 'postgresql';

export interface SqlOptions {
  readonly dialect: Dialect;
  /** A name without a schema, which the connection selects. */
  readonly table: string;
  readonly column: string;
}

export interface Statement {
  readonly event: string;
  /** Has one parameter: the row's id. Undefined if no state allows the event. */
  readonly sql: string | undefined;
}

interface Rules {
  readonly parameter: string;
  readonly quote: string;
  readonly literal: (text: string) => string;
  /** Length of a name in the database's unit. */
  readonly length: (name: string) => number;
  readonly longest: number;
  /** Matches names that the database does not accept. */
  readonly forbidden: RegExp;
  /** Equal for two states that the database may not distinguish. */
  readonly alike: (state: string) => string;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const doubled = (text: string, quote: string): string =>
  quote + text.replaceAll(quote, quote + quote) + quote;

const DIALECTS: Readonly<Record<Dialect, Rules>> = {
  mysql: {
    parameter: '?',
    quote: '`',
    // Backslashes depend on the SQL mode and the connection's character set, and some clients replace any question
    // mark by a value: hexadecimal digits avoid both.
    literal: (text) =>
      /[\\?\0]/.test(text)
        ? `_utf8mb4 x'${[...bytes(text)].map(hex).join('')}'`
        : doubled(text, "'"),
    length: (name) => name.length,
    longest: 64,
    forbidden: /[\0?\u{10000}-\u{10ffff}]| $/u,
    // Its collations ignore case, accents and trailing spaces; some do not distinguish rare characters.
    alike: (state) =>
      state
        .normalize('NFKD')
        .replace(/[\p{M}\p{C}]/gu, '')
        .replace(/[\u{10000}-\u{10ffff}]/gu, '\ufffd')
        .toUpperCase()
        .toLowerCase()
        .trimEnd(),
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
  },
};

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Throws `no-table`, and `not-in-sql` with everything that SQL cannot express. */
export function sqlOf(machine: Machine, options: SqlOptions): Statement[] {
  const { name, kinds, events, rules } = machine;
  if (rules === undefined) {
    throw new UserError(
      'no-table',
      `cannot express machine ${name} in SQL: it has no table of states and events`,
      {
        machine: name,
      },
    );
  }
  const problems = [...machineProblems(machine, options.dialect), ...nameProblems(options)];
  if (problems.length > 0) {
    const message = `cannot express machine ${name} in SQL:\n${problems.map((one) => `  ${one}`).join('\n')}`;
    throw new UserError('not-in-sql', message, { machine: name, problems });
  }
  return events.map((event) => {
    const moves = [...kinds.keys()].flatMap((state): [string, string][] => {
      const cell = rules.table[state]![event];
      if (cell === impossible) return [];
      return [[state, cell === same ? state : (cell as string)]];
    });
    return { event, sql: moves.length === 0 ? undefined : update(moves, options) };
  });
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

/** One script: each statement has its event in a comment above it. */
export function formatSql(machine: Machine, statements: readonly Statement[]): string {
  // Names are visible, so a comment stays on its line; some clients replace question marks even in comments.
  const comment = (text: string): string => `-- ${visible(text).replaceAll('?', '\uff1f')}`;
  const timers = [...machine.timers].flatMap(([state, all]) =>
    all.map(({ after, event }) =>
      comment(`${event}, sent by you after ${shortDuration(after)} in ${state}`),
    ),
  );
  const parts = statements.map(({ event, sql }) =>
    sql === undefined ? comment(`${event}: allowed in no state`) : `${comment(event)}\n${sql}`,
  );
  return [...(timers.length > 0 ? [timers.join('\n')] : []), ...parts].join('\n\n');
}

/** Parts of the machine that depend on more than the state in the row. */
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
    ...hooks.map(([name]) => `hooks.${name} is a function, which a database does not call`),
    ...Object.keys(goals).map((event) => `${event} sets a goal, for which there is no column`),
    ...states
      .filter((state) => !state.isWellFormed())
      .map((state) => `${visible(state)} is not Unicode text`),
    ...states
      .filter((state) => dialect === 'postgresql' && state.includes('\0'))
      .map((state) => `${visible(state)}: PostgreSQL has no text with a NUL`),
    ...twins(states, DIALECTS[dialect].alike),
  ];
}

function twins(states: readonly string[], alike: (state: string) => string): string[] {
  const first = new Map(states.toReversed().map((state) => [alike(state), state]));
  return states
    .filter((state) => first.get(alike(state)) !== state)
    .map(
      (state) =>
        `${visible(state)} and ${visible(first.get(alike(state))!)} may be equal to the database`,
    );
}

function nameProblems({ dialect, table, column }: SqlOptions): string[] {
  const { length, longest, forbidden } = DIALECTS[dialect];
  return Object.entries({ table, column }).flatMap(([what, name]) => {
    const shown = `--${what} ${visible(name)}`;
    if (name === '') return [`--${what} must be a name`];
    if (what === 'column' && name.toLowerCase() === 'id') {
      return [`${shown}: this column identifies the row`];
    }
    if (forbidden.test(name) || !name.isWellFormed())
      return [`${shown}: ${dialect} has no such name`];
    return length(name) > longest ? [`${shown}: a name has ${longest} characters at most`] : [];
  });
}
